#include "report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.h"

namespace q {

namespace {

using Json = nlohmann::ordered_json;

// JSON has no infinity: those are strings.
Json json_number(double value) { return std::isfinite(value) ? Json(value) : Json(fixed(value, 0)); }

double share(int64_t count, int64_t samples) {
  return static_cast<double>(count) / static_cast<double>(samples);
}

std::string local_db(const TensorRow& row) { return row.local ? fixed(sqnr_db(*row.local), 2) : "-"; }

std::string line(const TensorRow& row) {
  char out[256];
  std::snprintf(out, sizeof out, "%9s %9s %9s %11.4g %11.4g  ", fixed(sqnr_db(row.cumulative), 2).c_str(),
                local_db(row).c_str(), fixed(cosine(row.cumulative), 6).c_str(), row.cumulative.max_error,
                mean_error(row.cumulative));
  return out + printable(row.name) + (row.op.empty() ? "" : " (" + row.op + ")") + "\n";
}

// Under its line, where it is known.
std::string cause_line(const TensorRow& row) {
  if (!row.cause) return "";
  return text("          ", fixed(sqnr_db(row.cause->alone), 2), " dB from its ", printable(row.cause->part),
              " alone; ", printable(row.cause->reason), "\n");
}

bool has_local(const TensorRow& row) { return row.local.has_value(); }

}  // namespace

std::string fixed(double value, int digits) {
  if (!std::isfinite(value)) return number(value);
  char out[64];
  std::snprintf(out, sizeof out, "%.*f", digits, value);
  return out;
}

std::string as_lines(const Json& json) {
  return json.dump(2, ' ', true, Json::error_handler_t::replace) + '\n';
}

std::string yaml_quoted(const std::string& words) {
  std::string out = "'";
  for (char c : printable_pattern(words)) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

std::string as_text(const Comparison& c, bool every_tensor) {
  std::string out = "     SQNR     local    cosine   max error  mean error  tensor\n";
  if (every_tensor || std::none_of(c.rows.begin(), c.rows.end(), has_local)) {
    for (const TensorRow& row : c.rows) out += line(row) + cause_line(row);
  } else {
    const std::vector<const TensorRow*> worst = worst_rows(c);
    for (size_t i = 0; i < std::min(kWorstShown, worst.size()); ++i)
      out += line(*worst[i]) + cause_line(*worst[i]);
    if (c.rows.size() > kWorstShown)
      out += text("          (the ", kWorstShown, " of ", c.rows.size(),
                  " with the lowest local SQNR; -v for all; outputs:)\n");
    for (const TensorRow& row : c.rows)
      if (row.is_output) out += line(row);
  }
  if (c.samples > 0) out += text("samples            ", c.samples, "\n");
  if (c.same_top1) out += text("top-1 agreement    ", fixed(100 * share(*c.same_top1, c.samples), 2), " %\n");
  if (c.first_right)
    out += text("accuracy           ", fixed(100 * share(*c.first_right, c.samples), 2), " % reference, ",
                fixed(100 * share(*c.second_right, c.samples), 2), " % other\n");
  return out;
}

std::string as_tsv(const Comparison& c) {
  std::string out =
      "tensor\tnode\top\toutput\tsqnr_db\tlocal_sqnr_db\tcosine\tmax_error\tmean_error\tpart\tpart_sqnr_"
      "db\tcause\n";
  for (const TensorRow& row : c.rows)
    out +=
        text(printable(row.name), '\t', printable(row.node), '\t', row.op, '\t', row.is_output ? "yes" : "no",
             '\t', fixed(sqnr_db(row.cumulative), 4), '\t', row.local ? fixed(sqnr_db(*row.local), 4) : "",
             '\t', fixed(cosine(row.cumulative), 8), '\t', number(row.cumulative.max_error), '\t',
             number(mean_error(row.cumulative)), '\t', row.cause ? printable(row.cause->part) : "", '\t',
             row.cause ? fixed(sqnr_db(row.cause->alone), 4) : "", '\t',
             row.cause ? printable(row.cause->reason) : "", '\n');
  return out;
}

Json as_json(const Comparison& c) {
  Json out;
  out["samples"] = c.samples;
  if (c.same_top1) out["top1_agreement"] = share(*c.same_top1, c.samples);
  if (c.first_right) {
    out["reference_accuracy"] = share(*c.first_right, c.samples);
    out["accuracy"] = share(*c.second_right, c.samples);
  }
  out["tensors"] = Json::array();
  for (const TensorRow& row : c.rows) {
    Json one;
    one["tensor"] = row.name;
    one["node"] = row.node;
    one["op"] = row.op;
    one["output"] = row.is_output;
    one["sqnr_db"] = json_number(sqnr_db(row.cumulative));
    if (row.local) one["local_sqnr_db"] = json_number(sqnr_db(*row.local));
    one["cosine"] = json_number(cosine(row.cumulative));
    one["max_error"] = json_number(row.cumulative.max_error);
    one["mean_error"] = json_number(mean_error(row.cumulative));
    if (row.cause)
      one["cause"] = {{"part", row.cause->part},
                      {"sqnr_db", json_number(sqnr_db(row.cause->alone))},
                      {"reason", row.cause->reason},
                      {"rules", row.cause->rules}};
    out["tensors"].push_back(std::move(one));
  }
  return out;
}

std::string recipe_patch(const Comparison& comparison) {
  std::string out = "# Mends the nodes with the lowest local SQNR: give it after the recipe in use.\n";
  std::set<std::string> written;
  for (const TensorRow* row : worst_rows(comparison)) {
    if (!row->cause) continue;
    if (written.empty()) out += "rules:\n";
    out += text("  # ", printable(row->node), " (", row->op, "), ", fixed(sqnr_db(*row->local), 2),
                " dB: ", printable(row->cause->part), ": ", printable(row->cause->reason), "\n");
    for (const std::string& rule : row->cause->rules)
      if (written.insert(rule).second) out += text("  - ", rule, "\n");
  }
  return written.empty() ? out + "rules: []\n" : out;
}

}  // namespace q
