// What a crowd of players got, compared: each must have all that the first one has, from where it joined on,
// and nothing else, and get it when the others do. Threading: pure.
#pragma once

#include <algorithm>
#include <cstdio>
#include <memory>
#include <unordered_map>
#include <vector>

#include "tests/bridge/crowd_reader.h"

namespace headgate::test {

struct CrowdReport {
  std::size_t players = 0;
  std::size_t alive = 0;           // the server holds the connection still
  std::size_t units = 0;           // of the first player
  std::size_t equal = 0;           // players that have what the first one has
  std::vector<std::string> wrong;  // the others: what is not right
  double end_lag_ms = 0;           // how much earlier than the first one's last unit a player's last one is
  double spread_p50_ms = 0;        // from the first to the last player that has a unit
  double spread_p99_ms = 0;
  double spread_max_ms = 0;
  double wander_ms = 0;  // of the arrivals against the stream's clock, of whichever player is worst

  void print() const {
    std::printf(
        R"({"players": %zu, "alive": %zu, "units": %zu, "equal": %zu, "end_lag_ms": %.1f, "spread_p50_ms": %.2f, )"
        R"("spread_p99_ms": %.2f, "spread_max_ms": %.2f, "wander_ms": %.1f, "wrong": [)",
        players, alive, units, equal, end_lag_ms, spread_p50_ms, spread_p99_ms, spread_max_ms, wander_ms);
    for (std::size_t i = 0; i < std::min<std::size_t>(wrong.size(), 5); ++i)
      std::printf("%s\"%s\"", i == 0 ? "" : ", ", wrong[i].c_str());
    std::printf("]}\n");
    std::fflush(stdout);
  }
};

// `settled_us`: what arrives before does not count for the times; players catch up when they begin.
inline CrowdReport compare(const std::vector<std::unique_ptr<Reader>>& readers, std::uint32_t settled_us) {
  CrowdReport report;
  report.players = readers.size();
  const std::vector<Unit>& first = readers.front()->units;
  report.units = first.size();
  std::unordered_map<std::uint64_t, std::pair<std::size_t, std::size_t>>
      places;  // by hash: where, and how many
  for (std::size_t i = 0; i < first.size(); ++i) {
    auto& place = places.try_emplace(first[i].hash, i, 0).first->second;
    ++place.second;
  }
  std::vector<std::uint32_t> earliest(first.size(), 0xFFFFFFFF), latest(first.size(), 0);
  for (std::size_t n = 0; n < readers.size(); ++n) {
    const Reader& reader = *readers[n];
    const auto is_wrong = [&](const std::string& why) {
      report.wrong.push_back("player " + std::to_string(n) + ": " + why);
    };
    if (!reader.problem.empty()) {
      is_wrong(reader.problem);
      continue;
    }
    // Where it began: by the first of its units that the first player has once.
    const std::vector<Unit>& units = reader.units;
    std::size_t shift = first.size();
    for (std::size_t i = 0; i < units.size() && shift == first.size(); ++i) {
      const auto place = places.find(units[i].hash);
      if (place != places.end() && place->second.second == 1 && place->second.first >= i)
        shift = place->second.first - i;
    }
    if (shift == first.size()) {
      is_wrong("has nothing of what the first one has, in " + std::to_string(units.size()) + " units");
      continue;
    }
    const std::size_t common = std::min(units.size(), first.size() - shift);
    std::size_t same = 0;
    while (same < common && units[same].hash == first[shift + same].hash &&
           units[same].stamp - units[0].stamp == first[shift + same].stamp - first[shift].stamp)
      ++same;
    if (same < common) {
      is_wrong("unit " + std::to_string(same) + " of " + std::to_string(common) + " differs");
      continue;
    }
    ++report.equal;
    for (std::size_t i = 0; i < common; ++i) {
      earliest[shift + i] = std::min(earliest[shift + i], units[i].arrival_us);
      latest[shift + i] = std::max(latest[shift + i], units[i].arrival_us);
    }
    const double lag = (first.back().arrival_us - first[shift + common - 1].arrival_us) / 1e3;
    report.end_lag_ms = std::max(report.end_lag_ms, lag);
    std::int64_t least = 0, most = 0;
    bool any = false;
    for (const Mark& mark : reader.marks) {
      if (mark.arrival_us < settled_us) continue;
      const std::int64_t off = mark.arrival_us - mark.stream_us;
      least = any ? std::min(least, off) : off;
      most = any ? std::max(most, off) : off;
      any = true;
    }
    report.wander_ms = std::max(report.wander_ms, static_cast<double>(most - least) / 1e3);
  }
  std::vector<double> spreads;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (earliest[i] >= settled_us && latest[i] >= earliest[i])
      spreads.push_back((latest[i] - earliest[i]) / 1e3);
  }
  std::sort(spreads.begin(), spreads.end());
  if (!spreads.empty()) {
    report.spread_p50_ms = spreads[spreads.size() / 2];
    report.spread_p99_ms = spreads[spreads.size() * 99 / 100];
    report.spread_max_ms = spreads.back();
  }
  return report;
}

}  // namespace headgate::test
