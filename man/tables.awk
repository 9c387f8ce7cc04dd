# Fills one line of a manual page with mdoc made from the TSV file given as -v table=FILE:
# @OPTIONS@: flags, value name, help, default, choices, as `q-<tool> --describe` prints them;
# @OPS@: name, doc, how it is quantized, ONNX names, attributes; @OBSERVERS@: name, doc, methods.

# Text that mdoc must not take for an escape or a macro.
function plain(text) {
  gsub(/\\/, "\\e", text)
  if (text ~ /^[.']/) text = "\\\&" text
  return text
}

# A sentence: a capital first, a full stop last.
function sentence(text) {
  text = toupper(substr(text, 1, 1)) substr(text, 2)
  return plain(text (text ~ /[.!?]$/ ? "" : "."))
}

function option(column, flags, n, i, line) {
  n = split(column[1], flags, /, */)
  line = ".It"
  for (i = 1; i <= n; i++) {
    if (i > 1) line = line " ,"
    if (flags[i] ~ /^-/) line = line " Fl " plain(substr(flags[i], 2))
    else line = line " Ar " plain(flags[i])
    if (flags[i] ~ /^-/ && column[2] != "") line = line " Ar " plain(column[2])
  }
  print line
  print sentence(column[3])
  if (column[5] != "") {
    gsub(/\|/, ", ", column[5])
    print "One of " plain(column[5]) "."
  }
  if (column[4] != "") print "The default is\n.Ql " plain(column[4]) " ."
}

# Docs may begin with a formula, so they keep their case.
function entry(column, n, labels, i, label) {
  split(labels, label, "|")
  print ".It Sy " plain(column[1])
  print plain(column[2] ".")
  for (i = 3; i <= n; i++) {
    if (column[i] == "") continue
    gsub(/ /, ", ", column[i])
    print label[i - 2] ": " plain(column[i]) "."
  }
}

/^@(OPTIONS|OPS|OBSERVERS)@$/ {
  print ".Bl -tag -width Ds"
  while ((got = (getline row < table)) > 0) {
    n = split(row, column, /\t/)
    if ($0 == "@OPTIONS@") option(column)
    else entry(column, n, $0 == "@OPS@" ? "Quantized|ONNX|Attributes" : "Methods")
    split("", column)
  }
  if (got < 0) {
    print "tables.awk: " table ": cannot be read" > "/dev/stderr"
    exit 2
  }
  print ".El"
  next
}
{ print }
