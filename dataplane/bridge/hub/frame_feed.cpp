#include "dataplane/bridge/hub/frame_feed.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "dataplane/bridge/hub/frame_maker.h"
#include "dataplane/bridge/hub/payload.h"

namespace headgate::bridge::hub {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();
constexpr std::size_t kMaxPes = 8 * 1024 * 1024;

}  // namespace

struct FrameFeed::Impl {
  struct Lane {
    Track track;
    std::unique_ptr<FrameMaker> maker;  // null: left out
    bool idle = false;                  // a twin that brings nothing
    std::deque<MadeFrame> queue;
    std::shared_ptr<const FrameTrack> published;  // as it stands in the format, or null
    std::uint8_t index = 0;                       // there
    bool awaited = true;                          // others wait for its frames
    std::int64_t last_dts = kNever;
    std::int64_t newest = kNever;         // that came, frames or not
    std::optional<std::size_t> original;  // of a twin: its place among the lanes
  };

  // How far the original has come beyond `dts` of its twin; nothing where it isn't carried.
  std::optional<std::int64_t> lag(const Lane& twin, std::int64_t dts) const;

  void set_lanes(const Configuration& configuration);
  void take(Lane& lane, std::vector<MadeFrame>& made);
  void finish(bool whole);
  void release(bool all);
  Lane* next(bool all);
  void emit(Lane& lane);
  void publish(Lane& changed);
  void keep(const std::shared_ptr<const Frame>& frame, bool video);
  void break_off();
  void clear_group() {
    group.clear();
    group_bytes = 0;
  }

  std::shared_ptr<const Configuration> configuration;
  std::vector<Lane> lanes;
  std::vector<FrameSink*> sinks;
  std::shared_ptr<const FrameFormat> format;
  std::deque<std::shared_ptr<const Frame>> group;
  std::size_t group_bytes = 0;
  std::size_t queued_bytes = 0;
  std::int64_t last_dts = kNever;    // handed on
  std::uint64_t dropped_before = 0;  // of lanes that are gone, and PES packets that are none
  std::vector<std::uint8_t> bytes;   // of the PES packet under way
  std::vector<MadeFrame> made;
  FrameFeedCounters counters;
};

void FrameFeed::Impl::set_lanes(const Configuration& next_configuration) {
  std::vector<Lane> old = std::exchange(lanes, {});
  const auto& idle = next_configuration.idle_twins;
  for (const Track& track : next_configuration.carried) {
    const auto found = std::find_if(old.begin(), old.end(), [&](const Lane& lane) {
      return lane.maker != nullptr && lane.track.pid == track.pid && lane.track.kind == track.kind &&
             lane.track.language == track.language;
    });
    Lane lane;
    lane.track = track;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      if (track.twin_of == lanes[i].track.pid) lane.original = i;
    }
    if (std::find(idle.begin(), idle.end(), track.pid) != idle.end()) {
      lane.idle = true;
    } else if (found != old.end()) {
      lane.maker = std::move(found->maker);
      lane.last_dts = found->last_dts;
    } else {
      lane.maker = make_frame_maker(track);
    }
    lanes.push_back(std::move(lane));
  }
  for (const Lane& lane : old) {
    if (lane.maker != nullptr) dropped_before += lane.maker->dropped();
  }
  format.reset();
  clear_group();
}

void FrameFeed::Impl::take(Lane& lane, std::vector<MadeFrame>& frames) {
  for (MadeFrame& each : frames) {
    Frame& frame = *each.frame;
    if (lane.last_dts != kNever && frame.dts < lane.last_dts) {
      const std::int64_t shift = lane.last_dts - frame.dts;
      frame.dts += shift;
      frame.pts = std::max(frame.pts, frame.dts);
    }
    lane.last_dts = frame.dts;
    const auto behind = lag(lane, frame.dts);
    const bool in_time = behind ? *behind <= kMaxTwinLag / 2 : last_dts == kNever || frame.dts >= last_dts;
    if (in_time) lane.awaited = true;
    queued_bytes += frame.cost();
    lane.queue.push_back(std::move(each));
  }
  frames.clear();
}

// What is under way in the tracks is whole, or lost; all that waits goes out.
void FrameFeed::Impl::finish(bool whole) {
  for (Lane& lane : lanes) {
    if (lane.maker == nullptr) continue;
    if (whole) {
      lane.maker->flush(made);
      take(lane, made);
    } else {
      lane.maker->reset();
    }
  }
  release(true);
}

std::optional<std::int64_t> FrameFeed::Impl::lag(const Lane& twin, std::int64_t dts) const {
  if (!twin.original || lanes[*twin.original].newest == kNever) return std::nullopt;
  return lanes[*twin.original].newest - dts;
}

// The lane whose frame goes out next; null where another's is to be waited for.
FrameFeed::Impl::Lane* FrameFeed::Impl::next(bool all) {
  Lane* first = nullptr;
  std::int64_t newest = kNever;
  bool missing = false;
  for (Lane& lane : lanes) {
    if (lane.queue.empty()) {
      if (lane.last_dts != kNever && lag(lane, lane.last_dts) > kMaxTwinLag) lane.awaited = false;
      missing = missing || (lane.maker != nullptr && lane.awaited);
      continue;
    }
    newest = std::max(newest, lane.queue.back().frame->dts);
    if (first == nullptr || lane.queue.front().frame->dts < first->queue.front().frame->dts) first = &lane;
  }
  if (first == nullptr || all || !missing) return first;
  if (newest - first->queue.front().frame->dts < kMaxInterleave && queued_bytes < kMaxCachedBytes)
    return nullptr;
  for (Lane& lane : lanes) lane.awaited = lane.awaited && !lane.queue.empty();
  return first;
}

void FrameFeed::Impl::release(bool all) {
  while (Lane* lane = next(all)) emit(*lane);
}

// A lane's track is another than in the format, or not in it yet.
void FrameFeed::Impl::publish(Lane& changed) {
  auto fresh = std::make_shared<FrameFormat>();
  if (format != nullptr) {
    *fresh = *format;
    if (changed.published != nullptr) {
      // Frames made under the old configuration are no use to a player that begins with the new one.
      std::erase_if(group, [&](const auto& frame) {
        if (frame->track != changed.index) return false;
        group_bytes -= frame->cost();
        return true;
      });
      fresh->tracks[changed.index] = *changed.queue.front().track;
      changed.published = changed.queue.front().track;
    }
  }
  // Tracks keep their places; the first time all that are known enter in the PMT's order.
  for (Lane& lane : lanes) {
    if (lane.queue.empty() || (format != nullptr && &lane != &changed) ||
        (format != nullptr && lane.published != nullptr)) {
      continue;
    }
    lane.published = lane.queue.front().track;
    lane.index = static_cast<std::uint8_t>(fresh->tracks.size());
    fresh->tracks.push_back(*lane.published);
  }
  format = std::move(fresh);
  ++counters.formats;
  for (FrameSink* sink : sinks) sink->on_format(format);
}

void FrameFeed::Impl::emit(Lane& lane) {
  const auto& track = lane.queue.front().track;
  if (format == nullptr || lane.published == nullptr ||
      (lane.published != track && !(*lane.published == *track))) {
    publish(lane);
  }
  const std::shared_ptr<Frame> frame = std::move(lane.queue.front().frame);
  lane.queue.pop_front();
  queued_bytes -= frame->cost();
  frame->track = lane.index;
  last_dts = frame->dts;
  ++counters.frames;
  keep(frame, lane.published->is_video());
  for (FrameSink* sink : sinks) sink->on_frame(frame);
}

void FrameFeed::Impl::keep(const std::shared_ptr<const Frame>& frame, bool video) {
  const bool has_video = std::any_of(lanes.begin(), lanes.end(), [](const Lane& lane) {
    return lane.maker != nullptr && mpegts::is_video(lane.track.kind);
  });
  if (has_video) {
    if (video && frame->random_access) {
      clear_group();
    } else if (group.empty()) {
      return;
    }
  } else {
    while (!group.empty() && frame->dts - group.front()->dts >= kAudioGroup) {
      group_bytes -= group.front()->cost();
      group.pop_front();
    }
  }
  group.push_back(frame);
  group_bytes += frame->cost();
  if (group_bytes > kMaxCachedBytes || frame->dts - group.front()->dts > kMaxCachedTime) clear_group();
}

void FrameFeed::Impl::break_off() {
  clear_group();
  last_dts = kNever;
  for (Lane& lane : lanes) {
    lane.last_dts = lane.newest = kNever;
    lane.awaited = true;
  }
  ++counters.discontinuities;
  for (FrameSink* sink : sinks) sink->on_discontinuity();
}

FrameFeed::FrameFeed() : impl_(std::make_unique<Impl>()) {}

FrameFeed::~FrameFeed() {
  for (FrameSink* sink : std::exchange(impl_->sinks, {})) sink->on_end();
}

void FrameFeed::on_configuration(std::shared_ptr<const Configuration> configuration) {
  const bool same = impl_->configuration != nullptr && impl_->configuration->same_media(*configuration) &&
                    impl_->configuration->idle_twins == configuration->idle_twins;
  impl_->configuration = std::move(configuration);
  if (same) return;
  impl_->finish(true);
  impl_->set_lanes(*impl_->configuration);
}

void FrameFeed::on_unit(const Unit& unit) {
  if (unit.track >= impl_->lanes.size()) return;
  Impl::Lane& lane = impl_->lanes[unit.track];
  if (unit.timed) lane.newest = std::max(lane.newest, unit.dts);
  if (lane.maker == nullptr) return;
  if (unit.timed && impl_->lag(lane, unit.dts) > kMaxTwinLag) {
    ++impl_->counters.late_twins;
    return;
  }
  gather(unit.packets, kMaxPes, impl_->bytes);
  const auto pes = view_pes(impl_->bytes);
  if (!pes) {
    ++impl_->dropped_before;
    return;
  }
  // A clock that fell back without a word: what comes now is another time.
  if (unit.timed && lane.last_dts != kNever && unit.dts < lane.last_dts - kMaxInterleave) on_discontinuity();
  lane.maker->on_payload({unit.timed, unit.dts, unit.pts}, pes->payload, impl_->made);
  impl_->take(lane, impl_->made);
  impl_->release(false);
}

void FrameFeed::on_discontinuity() {
  impl_->finish(true);
  impl_->break_off();
}

void FrameFeed::on_loss() {
  impl_->finish(false);
  impl_->break_off();
}

void FrameFeed::on_silence() { impl_->finish(true); }

void FrameFeed::add(FrameSink* sink) { impl_->sinks.push_back(sink); }
void FrameFeed::remove(FrameSink* sink) { std::erase(impl_->sinks, sink); }

std::shared_ptr<const FrameFormat> FrameFeed::format() const { return impl_->format; }
const std::deque<std::shared_ptr<const Frame>>& FrameFeed::group() const { return impl_->group; }

FrameFeedCounters FrameFeed::counters() const {
  FrameFeedCounters out = impl_->counters;
  out.dropped_frames = impl_->dropped_before;
  for (const Impl::Lane& lane : impl_->lanes) {
    if (lane.maker != nullptr) out.dropped_frames += lane.maker->dropped();
  }
  return out;
}

std::vector<LeftOutTrack> FrameFeed::left_out() const {
  std::vector<LeftOutTrack> out;
  for (const Impl::Lane& lane : impl_->lanes) {
    if (lane.idle) {
      out.push_back({lane.track, "its sound worker brings nothing"});
    } else if (lane.maker == nullptr) {
      out.push_back({lane.track, why_no_frames(lane.track.kind)});
    } else if (lane.published == nullptr) {
      out.push_back({lane.track, lane.maker->problem()});
    }
  }
  return out;
}

}  // namespace headgate::bridge::hub
