#include "dataplane/transcode/strikes_file.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "control/log/log.h"
#include "control/protocol/state.h"

namespace headgate::transcode {
namespace {

constexpr int kStrikesVersion = 1;

// The steady clock counts from when the machine was started; that job was not there before.
std::int64_t since_boot(Strikes::Clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::optional<Strikes::Clock::time_point> time_of(const nlohmann::json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  return Strikes::Clock::time_point(std::chrono::nanoseconds(value.get<std::int64_t>()));
}

Strikes::Record record_of(const nlohmann::json& from) {
  Strikes::Record record;
  if (!from.is_object()) return record;
  if (const auto deaths = from.find("deaths_ns"); deaths != from.end() && deaths->is_array()) {
    for (const nlohmann::json& entry : *deaths) {
      if (const auto time = time_of(entry)) record.deaths.push_back(*time);
    }
  }
  if (const auto until = from.find("quarantined_until_ns"); until != from.end())
    record.quarantined_until = time_of(*until);
  return record;
}

}  // namespace

StrikesFile read_strikes(const StrikesPlace& place) {
  StrikesFile file;
  const auto text = protocol::read_file(place.path);
  if (!text) return file;
  const nlohmann::json in = nlohmann::json::parse(*text, nullptr, false);
  if (!in.is_object() || in.value("version", nlohmann::json()) != kStrikesVersion) return file;
  if (in.value("job", nlohmann::json()) != place.job) return file;
  if (const auto error = in.find("last_error"); error != in.end() && error->is_string())
    file.last_error = error->get<std::string>();
  const auto of = in.find("strikes");
  if (of == in.end() || !of->is_object()) return file;
  for (const auto& [key, value] : of->items()) {
    std::uint32_t asker = 0;
    const auto [rest, error] = std::from_chars(key.data(), key.data() + key.size(), asker);
    if (error == std::errc() && rest == key.data() + key.size()) file.of[asker] = record_of(value);
  }
  return file;
}

void write_strikes(const StrikesPlace& place, const StrikesFile& file) {
  nlohmann::json of = nlohmann::json::object();
  for (const auto& [asker, record] : file.of) {
    nlohmann::json& entry = of[std::to_string(asker)];
    entry["deaths_ns"] = nlohmann::json::array();
    for (const auto death : record.deaths) entry["deaths_ns"].push_back(since_boot(death));
    if (record.quarantined_until) entry["quarantined_until_ns"] = since_boot(*record.quarantined_until);
  }
  const nlohmann::json out{{"version", kStrikesVersion},
                           {"job", place.job},
                           {"last_error", file.last_error},
                           {"strikes", std::move(of)}};
  if (const auto written = protocol::write_file_atomically(place.path, out.dump() + "\n"); !written)
    log::warning("{}: {}", place.path, written.error());
}

}  // namespace headgate::transcode
