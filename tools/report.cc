#include "report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

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
  return out + row.name + (row.op.empty() ? "" : " (" + row.op + ")") + "\n";
}

bool has_local(const TensorRow& row) { return row.local.has_value(); }

// Rows that ran on their own, the worst first.
std::vector<const TensorRow*> by_local_sqnr(const Comparison& comparison) {
  std::vector<const TensorRow*> rows;
  for (const TensorRow& row : comparison.rows)
    if (has_local(row)) rows.push_back(&row);
  std::stable_sort(rows.begin(), rows.end(), [](const TensorRow* a, const TensorRow* b) {
    return sqnr_db(*a->local) < sqnr_db(*b->local);
  });
  return rows;
}

std::string yaml_quoted(const std::string& words) {
  std::string out = "'";
  for (char c : words) out += c == '\'' ? "''" : std::string(1, c);
  return out + "'";
}

}  // namespace

std::string fixed(double value, int digits) {
  if (!std::isfinite(value)) return number(value);
  char out[64];
  std::snprintf(out, sizeof out, "%.*f", digits, value);
  return out;
}

std::string as_text(const Comparison& c, bool every_tensor) {
  std::string out = "     SQNR     local    cosine   max error  mean error  tensor\n";
  constexpr size_t kWorst = 5;
  if (every_tensor || std::none_of(c.rows.begin(), c.rows.end(), has_local)) {
    for (const TensorRow& row : c.rows) out += line(row);
  } else {
    const std::vector<const TensorRow*> worst = by_local_sqnr(c);
    for (size_t i = 0; i < std::min(kWorst, worst.size()); ++i) out += line(*worst[i]);
    if (c.rows.size() > kWorst)
      out += text("          (the ", kWorst, " of ", c.rows.size(),
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
  std::string out = "tensor\tnode\top\toutput\tsqnr_db\tlocal_sqnr_db\tcosine\tmax_error\tmean_error\n";
  for (const TensorRow& row : c.rows)
    out += text(row.name, '\t', row.node, '\t', row.op, '\t', row.is_output ? "yes" : "no", '\t',
                fixed(sqnr_db(row.cumulative), 4), '\t', row.local ? fixed(sqnr_db(*row.local), 4) : "", '\t',
                fixed(cosine(row.cumulative), 8), '\t', number(row.cumulative.max_error), '\t',
                number(mean_error(row.cumulative)), '\n');
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
    out["tensors"].push_back(std::move(one));
  }
  return out;
}

std::string recipe_patch(const Comparison& comparison, int64_t count) {
  const std::vector<const TensorRow*> worst = by_local_sqnr(comparison);
  std::string out = "# Keeps the nodes with the lowest local SQNR float: give it after the recipe in use.\n";
  if (worst.empty()) return out + "rules: []\n";
  out += "rules:\n";
  for (size_t i = 0; i < std::min(static_cast<size_t>(count), worst.size()); ++i)
    out += text("  - {name: ", yaml_quoted(worst[i]->node), ", quantize: false}  # ", worst[i]->op, ", ",
                fixed(sqnr_db(*worst[i]->local), 2), " dB\n");
  return out;
}

}  // namespace q
