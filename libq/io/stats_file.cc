#include "io/stats_file.h"

#include "base/text.h"
#include "io/h5_attribute.h"
#include "io/names.h"
#include "io/tensor_dataset.h"

namespace q {

namespace {

Stats::Entry read_entry(const h5::Object& group) {
  Stats::Entry entry;
  entry.observer = h5::read_string(group, "observer");
  const ObserverDef* def = find_observer(entry.observer);
  if (def == nullptr) h5::refuse(group, text("no observer is called ", entry.observer));
  for (std::string_view field : def->fields) {
    const h5::Object dataset = h5::open_dataset(group, std::string(field));
    entry.state.push_back(read_tensor(dataset, read_tensor_type(dataset)));
  }
  try {
    def->check(entry.state);
  } catch (const Error& error) {
    h5::refuse(group, error.what());
  }
  return entry;
}

}  // namespace

void write_stats(const h5::Object& root, const Stats& stats) {
  const h5::Object all = h5::create_group(root, "stats");
  h5::write_attribute(all, "samples", stats.samples);
  for (const auto& [name, entry] : stats.entries) {
    const h5::Object group = h5::create_group(all, escape_name(name));
    h5::write_attribute(group, "observer", entry.observer);
    const ObserverDef& def = *find_observer(entry.observer);
    for (size_t i = 0; i < def.fields.size(); ++i)
      write_tensor(group, std::string(def.fields[i]), entry.state[i]);
  }
}

Stats read_stats(const h5::Object& root) {
  Stats stats;
  if (!h5::has_child(root, "stats")) return stats;
  const h5::Object all = h5::open_group(root, "stats");
  stats.samples = h5::read_int(all, "samples");
  if (stats.samples < 0)
    h5::refuse(all, text("attribute samples is ", stats.samples, ", wanted no negative number"));
  for (const h5::Link& link : h5::children(all)) {
    const h5::Object group = h5::open_group(all, link);
    const std::optional<std::string> name = unescape_name(link.name);
    if (!name) h5::refuse(group, "the name is not escaped as in a URL");
    if (!stats.entries.emplace(*name, read_entry(group)).second)
      h5::refuse(group, "two records have this name");
  }
  return stats;
}

}  // namespace q
