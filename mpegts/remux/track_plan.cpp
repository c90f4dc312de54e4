#include "mpegts/remux/track_plan.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

#include "mpegts/psi/descriptors.h"

namespace headgate::mpegts::remux {
namespace {

constexpr std::uint8_t kCaDescriptor = 0x09;        // 2.6.16
constexpr std::uint8_t kLanguageDescriptor = 0x0A;  // 2.6.18
constexpr std::uint16_t kFirstFreePid = 0x0020;     // EN 300 468 table 1
constexpr std::uint16_t kLastFreePid = 0x1FFA;      // below the PSIP's PID, ATSC A/65

struct Pairing {
  const Pmt& layout;
  const Pmt& input;
  std::vector<std::optional<std::size_t>> source;  // by the layout's index
  std::vector<bool> used;                          // by the input's

  // First come, first served, in the order of both.
  void pair(const std::function<bool(const PmtStream&, const PmtStream&)>& match) {
    for (std::size_t to = 0; to < layout.streams.size(); ++to) {
      for (std::size_t from = 0; from < input.streams.size() && !source[to]; ++from) {
        if (used[from] || !match(layout.streams[to], input.streams[from])) continue;
        source[to] = from;
        used[from] = true;
      }
    }
  }
};

std::vector<std::optional<std::size_t>> pair_up(const Pmt& layout, const Pmt& input,
                                                std::vector<bool>& used) {
  Pairing p{layout, input, {}, {}};
  p.source.resize(layout.streams.size());
  p.used.resize(input.streams.size());
  const auto video = [](const PmtStream& s) { return is_video(stream_kind(s)); };
  const auto audio = [](const PmtStream& s) { return is_audio(stream_kind(s)); };
  const auto data = [&](const PmtStream& s) { return !video(s) && !audio(s); };
  const auto same_kind = [](const PmtStream& a, const PmtStream& b) {
    return a.stream_type == b.stream_type && stream_kind(a) == stream_kind(b);
  };
  const auto same_language = [](const PmtStream& a, const PmtStream& b) {
    return language(a) == language(b);
  };
  p.pair([&](auto& a, auto& b) { return video(a) && video(b); });
  p.pair([&](auto& a, auto& b) {
    return audio(a) && audio(b) && !language(a).empty() && same_language(a, b) && same_kind(a, b);
  });
  p.pair(
      [&](auto& a, auto& b) { return audio(a) && audio(b) && !language(a).empty() && same_language(a, b); });
  p.pair([&](auto& a, auto& b) { return audio(a) && audio(b); });
  p.pair([&](auto& a, auto& b) { return data(a) && data(b) && same_kind(a, b) && same_language(a, b); });
  p.pair([&](auto& a, auto& b) { return data(a) && data(b) && same_kind(a, b); });
  used = std::move(p.used);
  return std::move(p.source);
}

// Gives the ECM PIDs of an input a place beside the layout's PIDs.
class KeyPids {
 public:
  KeyPids(const Pmt& layout, Pid pmt_pid, std::vector<TrackPlan::KeyPid>& keys) : keys_(keys) {
    taken_ = {pmt_pid, layout.pcr_pid};
    for (const auto& stream : layout.streams) taken_.push_back(stream.pid);
  }

  // Every CA_descriptor of the loop names the PID of the output from here on.
  void place(Descriptors& descriptors) {
    map_ca_pids(descriptors, [&](Pid from) { return place(from); });
  }

 private:
  bool taken(Pid pid) const { return std::find(taken_.begin(), taken_.end(), pid) != taken_.end(); }
  Pid place(Pid from) {
    const auto known =
        std::find_if(keys_.begin(), keys_.end(), [&](const auto& key) { return key.from == from; });
    if (known != keys_.end()) return known->to;
    Pid to = from;
    for (std::uint16_t next = kLastFreePid; taken(to) && next >= kFirstFreePid; --next) to = Pid{next};
    taken_.push_back(to);
    keys_.push_back({from, to});
    return to;
  }

  std::vector<TrackPlan::KeyPid>& keys_;
  std::vector<Pid> taken_;
};

}  // namespace

TrackPlan plan_tracks(const Pmt& layout, Pid pmt_pid, const Pmt& input) {
  TrackPlan plan;
  std::vector<bool> used;
  const auto source = pair_up(layout, input, used);
  KeyPids keys(layout, pmt_pid, plan.keys);
  plan.pmt.program_number = layout.program_number;
  plan.pmt.version = layout.version;
  plan.pmt.pcr_pid = layout.pcr_pid;
  append_some(plan.pmt.descriptors, layout.descriptors, [](auto& d) { return d.tag != kCaDescriptor; });
  append_some(plan.pmt.descriptors, input.descriptors, [](auto& d) { return d.tag == kCaDescriptor; });
  keys.place(plan.pmt.descriptors);
  for (std::size_t to = 0; to < layout.streams.size(); ++to) {
    if (!source[to]) continue;
    const PmtStream& from = input.streams[*source[to]];
    const PmtStream& place = layout.streams[to];
    plan.tracks.push_back({from.pid, to, stream_kind(from)});
    PmtStream stream{from.stream_type, place.pid, from.descriptors};
    // A role keeps its language where the input does not name one.
    if (!from.descriptors.find(kLanguageDescriptor)) {
      append_some(stream.descriptors, place.descriptors,
                  [](auto& d) { return d.tag == kLanguageDescriptor; });
    }
    keys.place(stream.descriptors);
    plan.pmt.streams.push_back(std::move(stream));
  }
  if (alike(layout, input)) plan.pmt = layout;  // in the order of its descriptors, too
  if (layout.pcr_pid == kNullPid && !plan.pmt.streams.empty()) plan.pmt.pcr_pid = plan.pmt.streams[0].pid;
  for (std::size_t from = 0; from < input.streams.size(); ++from) {
    if (!used[from]) plan.left_out.push_back(input.streams[from].pid);
  }
  return plan;
}

const TrackPlan::Track* key_track(const TrackPlan& plan) noexcept {
  const auto first = [&](auto role) {
    const auto at = std::find_if(plan.tracks.begin(), plan.tracks.end(),
                                 [&](const TrackPlan::Track& track) { return role(track.kind); });
    return at != plan.tracks.end() ? &*at : nullptr;
  };
  if (const auto* video = first(is_video)) return video;
  if (const auto* audio = first(is_audio)) return audio;
  return plan.tracks.empty() ? nullptr : &plan.tracks.front();
}

bool alike(const Pmt& a, const Pmt& b) {
  Pmt same = b;
  same.version = a.version;
  return a == same;
}

}  // namespace headgate::mpegts::remux
