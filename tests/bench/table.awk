# The table of run.sh in Markdown, padded so that it also reads as text:
#
#   awk -f table.awk when=DATE kind=targets targets.tsv kind=results results.tsv [kind=old RESULTS.md]
#
# Results are lines "id, ours, against, spread" separated by tabs. Rows without a result are taken from the old table
# when there is one, and left out otherwise.
function is_number(text) { return text ~ /^-?[0-9]+([.][0-9]+)?(e[-+]?[0-9]+)?$/ }
function shown(text) {
  if (!is_number(text) || text ~ /^-?[0-9]+$/) return text
  if (text >= 1000) return sprintf("%.0f", text)
  if (text >= 100) return sprintf("%.1f", text)
  if (text >= 1) return sprintf("%.2f", text)
  return sprintf("%.4f", text)
}
function verdict(target, ours, against, ratio,    words, figure) {
  split(target, words, " ")
  if (words[1] == "same") return is_number(ours) && is_number(against) ? (ours + 0 == against + 0 ? "met" : "missed") : ""
  figure = words[1] == "ratio" ? ratio : ours
  if (words[1] !~ /^(ratio|ours)$/ || !is_number(figure)) return ""
  return (words[2] == "<=" ? figure + 0 <= words[3] + 0 : figure + 0 >= words[3] + 0) ? "met" : "missed"
}
function add_row(cells) { rows[++row_count] = cells }
function print_row(cells, fill,    i, line) {
  split(cells, cell, "\t")
  line = "|"
  for (i = 1; i <= columns; i++)
    line = line sprintf(i == 1 || i > 4 ? " %-" width[i] "s |" : " %" width[i] "s |", cell[i])
  print line
}

BEGIN { FS = "\t" }
/^#/ && kind == "targets" { next }
kind == "targets" { ids[++id_count] = $1; what[$1] = $2; target[$1] = $3 }
kind == "results" { ours[$1] = $2; against[$1] = $3; spread[$1] = $4 }
kind == "old" && /^\| / {
  line = $0
  gsub(/^\| *| *\|$/, "", line)
  gsub(/ *\| */, "\t", line)
  name = line
  sub(/\t.*/, "", name)
  old[name] = line
}
END {
  columns = split("what (against)\tours\tagainst\tratio\ttarget\tverdict\tspread\tmeasured", head, "\t")
  add_row("what (against)\tours\tagainst\tratio\ttarget\tverdict\tspread\tmeasured")
  for (i = 1; i <= id_count; i++) {
    id = ids[i]
    if (id in ours) {
      ratio = "-"
      if (is_number(ours[id]) && is_number(against[id]) && against[id] != 0 && target[id] !~ /^(same|apart)$/)
        ratio = sprintf("%.3f", ours[id] / against[id])
      else if (against[id] == "") against[id] = "-"
      add_row(what[id] "\t" shown(ours[id]) "\t" shown(against[id]) "\t" ratio "\t" (target[id] == "apart" ? "-" : target[id]) "\t" \
              verdict(target[id], ours[id], against[id], ratio) "\t" spread[id] "\t" when)
    } else if (what[id] in old) add_row(old[what[id]])
  }
  for (r = 1; r <= row_count; r++) {
    split(rows[r], cell, "\t")
    for (i = 1; i <= columns; i++) if (length(cell[i]) > width[i]) width[i] = length(cell[i])
  }
  for (r = 1; r <= row_count; r++) {
    print_row(rows[r])
    if (r > 1) continue
    line = "|"
    for (i = 1; i <= columns; i++) {
      dashes = sprintf("%" width[i] "s", "")
      gsub(/ /, "-", dashes)
      line = line (i == 1 || i > 4 ? " " dashes " |" : " " substr(dashes, 2) ": |")
    }
    print line
  }
}
