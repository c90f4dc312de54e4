#include "dataplane/bridge/hls/segmenter.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "dataplane/bridge/hls/open_segment.h"

namespace headgate::bridge::hls {

using hub::kPcrTrack;
using mpegts::es::RandomAccess;

namespace {

constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  const std::int64_t q = a / b;
  return a % b < 0 ? q - 1 : q;
}

// A break may leave the next unit this many slots behind; farther back the timeline began anew.
constexpr std::int64_t kStepBack = 2;
// DTS never falls (ISO/IEC 13818-1 2.4.3.7); streams that leave it out fall back by a few pictures. Farther
// back the stream's own stamps began anew, without a word from its clock.
constexpr std::int64_t kFallBack = mpegts::kTicksPerSecond;
// A preroll (what is kept while no segment is open) is cut back to its last access unit at this size.
constexpr std::size_t kPrerollBytes = 4 * 1024 * 1024;

bool has_twins(const hub::Configuration& configuration) {
  return std::any_of(configuration.carried.begin(), configuration.carried.end(),
                     [](const hub::Track& t) { return t.twin_of.has_value(); });
}

constexpr std::int64_t kForEver = std::numeric_limits<std::int64_t>::max();

// Of a track in Open::present; nobody waits for those past 64.
constexpr std::uint64_t bit_of(std::size_t track) { return track < 64 ? std::uint64_t{1} << track : 0; }

}  // namespace

Segmenter::Segmenter(const SegmenterOptions& options, SegmentSink& sink)
    : options_(options),
      sink_(sink),
      late_(options.max_bytes, options.budget,
            [&sink](std::int64_t k, std::size_t part, const SegmentFile& file) {
              sink.on_part(k, part, file);
            }) {}
Segmenter::~Segmenter() = default;

std::int64_t Segmenter::slot_of(std::int64_t dts) const { return floor_div(dts, options_.segment); }

void Segmenter::resume(std::int64_t next_k, std::int64_t next_start) {
  next_k_ = next_k;
  next_start_ = next_start;
}

void Segmenter::on_configuration(std::shared_ptr<const hub::Configuration> configuration) {
  const bool same = configuration_ != nullptr && configuration_->same_media(*configuration);
  if (configuration_ != nullptr && !same) break_here(natural_end());
  configuration_ = std::move(configuration);
  if (!same) {
    const auto& carried = configuration_->carried;
    tracks_.assign(carried.size(), TrackState{});
    for (std::size_t t = 0; t < carried.size(); ++t) {
      if (!carried[t].twin_of) continue;
      const auto original = std::find_if(carried.begin(), carried.end(), [&](const hub::Track& other) {
        return other.pid == *carried[t].twin_of;
      });
      tracks_[t].original =
          original == carried.end() ? t : static_cast<std::size_t>(original - carried.begin());
    }
    any_master_ = false;
  }
}

void Segmenter::on_discontinuity() {
  if (any_master_) break_here(natural_end());
}

void Segmenter::on_loss() { lost_ = true; }

void Segmenter::finish() {
  if (any_master_) break_here(natural_end());
}

void Segmenter::on_silence(std::int64_t length) {
  if (!any_master_ || open_.empty() || open_.back()->kind != Open::Kind::media) return;
  if (last_dts_ + length < (last_slot_ + 1) * options_.segment) return;
  end_before_silence();
  late_.end_before(kForEver);
  for (auto& segment : open_) segment->forced = true;
  flush(false);
}

void Segmenter::set_apart(bool apart) {
  if (apart == options_.apart) return;
  // Where something is made of a track they are apart anyway.
  if (any_master_ && !has_twins(*configuration_)) break_here(natural_end());
  options_.apart = apart;
}

void Segmenter::on_producer_restart() {
  if (!any_master_ || pending_discontinuity_) return;
  pending_discontinuity_ = true;
  ++counters_.discontinuities;
}

// The open segment ends with its last unit; what comes next begins a segment of its own.
void Segmenter::end_before_silence() {
  Open& silent = *open_.back();
  silent.ended = true;
  silent.forced = true;
  silent.end = std::max(natural_end(), silent.start);
  next_k_ = silent.k + 1;
  next_start_ = silent.end;
  push_preroll();
}

std::int64_t Segmenter::natural_end() const { return last_dts_ + last_interval_; }

void Segmenter::on_unit(const hub::Unit& unit) {
  if (configuration_ == nullptr) return;
  if (unit.track == kPcrTrack) {
    if (any_master_ && !open_.empty()) append(*open_.back(), unit);
    return;
  }
  if (unit.track >= tracks_.size()) return;
  TrackState& state = tracks_[unit.track];
  if (unit.video != nullptr && state.video != *unit.video) state.video = *unit.video;
  if (unit.audio != nullptr && state.audio != *unit.audio) state.audio = *unit.audio;
  if (unit.track == 0 && unit.timed) {
    on_master(unit);
  } else if (any_master_ && (unit.timed || state.seen)) {
    if (state.original && append_late(unit)) return;
    Open& home = home_of(unit);
    const bool early = unit.timed && unit.track != 0 && unit.pts < home.start_pts;
    if (early && (home.first || (state.original && home.kind == Open::Kind::media))) {
      ++(home.first ? counters_.unlisted_units : counters_.late_units);
      return;
    }
    append(home, unit);
  } else {
    ++counters_.unlisted_units;
    return;
  }
  flush(false);
}

void Segmenter::on_master(const hub::Unit& unit) {
  if (any_master_ && unit.dts < last_dts_ - kFallBack) break_here(natural_end());
  if (!any_master_) {
    // The first segment listed is the first whose beginning is seen: not the one under way.
    any_master_ = true;
    last_slot_ = slot_of(unit.dts);
    last_dts_ = unit.dts;
    if (last_slot_ < min_slot_ - kStepBack) min_slot_ = last_slot_;  // the timeline itself began anew
    min_slot_ = std::max(min_slot_, last_slot_ + (pending_discontinuity_ ? 0 : 1));
    last_interval_ = 0;
    push_preroll();
  }
  const std::int64_t slot = std::max(slot_of(unit.dts), last_slot_);
  if (slot != last_slot_) cross_slot(slot);
  // After that: what a silence before this unit ended lasted as long as the units before it.
  if (unit.dts > last_dts_) last_interval_ = std::min(unit.dts - last_dts_, options_.segment);
  lost_ = false;
  Open& current = *open_.back();
  const bool ready = current.kind == Open::Kind::preroll ? may_start(slot) : current.k < slot;
  if (unit.random_access != RandomAccess::none && ready) start(slot, unit.dts, unit.pts, true);
  if (open_.back()->kind == Open::Kind::preroll) trim_preroll();
  append(*open_.back(), unit);
  last_dts_ = std::max(unit.dts, last_dts_);
}

// The master enters `slot`: what became of the slot before, and of those between.
void Segmenter::cross_slot(std::int64_t slot) {
  Open& current = *open_.back();
  const bool preroll = current.kind == Open::Kind::preroll;
  const bool without_start = preroll ? may_start(last_slot_) : current.k < last_slot_;
  if (without_start) {
    const auto last = std::find_if(current.items.rbegin(), current.items.rend(),
                                   [](const Item& i) { return i.track == 0 && i.timed; });
    if (last != current.items.rend() && slot_of(last->dts) == last_slot_) {
      ++counters_.gop_too_long;
      start(last_slot_, last->dts, last->pts, false);
    }
  }
  if (slot > last_slot_ + 1) {
    if (open_.back()->kind == Open::Kind::media) end_before_silence();
    // Where packets were lost on the way here the slot's first random access point may be among them.
    min_slot_ = std::max(min_slot_, lost_ ? slot + 1 : slot);
  }
  last_slot_ = slot;
}

bool Segmenter::may_start(std::int64_t k) {
  if (k < min_slot_) return false;
  if (!next_k_ || k >= *next_k_) return true;
  // A little behind: a break within its slot. Far behind: the timeline itself began anew.
  if (*next_k_ - k <= kStepBack) return false;
  ++counters_.restarts;
  next_k_.reset();
  pending_discontinuity_ = true;
  return true;
}

void Segmenter::list_gaps(std::int64_t k, std::int64_t start) {
  if (!next_k_ || *next_k_ >= k) return;
  std::int64_t from = next_start_;
  std::int64_t number = *next_k_;
  if (k - number > options_.max_gaps) {
    number = k - options_.max_gaps;
    from = number * options_.segment;
  }
  for (; number < k; ++number) {
    const std::int64_t to = number + 1 == k ? start : (number + 1) * options_.segment;
    auto gap = make_open();
    gap->kind = Open::Kind::gap;
    gap->k = number;
    // No longer than the target duration, where media ended early in one slot and came back late in another.
    gap->start = std::max(from, to - 2 * options_.segment);
    gap->end = std::max(to, gap->start);
    gap->ended = true;
    open_.push_back(std::move(gap));
    from = to;
  }
}

void Segmenter::start(std::int64_t k, std::int64_t dts, std::int64_t pts, bool independent) {
  std::unique_ptr<Open> fresh = make_open();
  Open& old = *open_.back();
  // Where DTS fell back a little the boundary stays: no duration is negative.
  if (old.kind == Open::Kind::media) dts = std::max(dts, old.start);
  fresh->kind = Open::Kind::media;
  fresh->k = k;
  fresh->start = dts;
  fresh->start_pts = pts;
  fresh->independent = independent;
  fresh->configuration = configuration_;
  fresh->formats.clear();
  for (std::size_t t = 0; t < tracks_.size(); ++t) {
    fresh->formats.push_back({configuration_->carried[t], tracks_[t].video, tracks_[t].audio});
  }
  fresh->discontinuity = std::exchange(pending_discontinuity_, false);
  take_over(old, *fresh, pts, !independent);
  if (old.kind == Open::Kind::preroll) {
    fresh->first = true;
    std::unique_ptr<Open> preroll = std::move(open_.back());
    open_.pop_back();
    counters_.unlisted_units += preroll->items.size();
    recycle(std::move(preroll));
    list_gaps(k, dts);
  } else {
    old.ended = true;
    old.end = std::max(dts, old.start);  // where DTS ran backward: no duration is negative
    old.end_pts = pts;
  }
  open_.push_back(std::move(fresh));
  next_k_ = k + 1;
}

// Moves what belongs behind the boundary: of each audio everything from the first PES packet at or after its
// PTS on; of the master its last access unit where the new segment begins with that.
void Segmenter::take_over(Open& from, Open& to, std::int64_t pts, bool last_master) {
  std::vector<bool> moving(tracks_.size(), false);
  std::size_t master_from = from.items.size();
  if (last_master) {
    while (master_from > 0) {
      --master_from;
      if (from.items[master_from].track == 0 && from.items[master_from].timed) break;
    }
  }
  std::vector<Item> kept;
  kept.reserve(from.items.size());
  for (std::size_t i = 0; i < from.items.size(); ++i) {
    const Item item = from.items[i];
    bool move = false;
    if (item.track == 0 || item.track == kPcrTrack) {
      move = i >= master_from;
    } else {
      if (item.timed && item.pts >= pts) moving[item.track] = true;
      move = moving[item.track];
    }
    if (!move) {
      kept.push_back(item);
      continue;
    }
    Item moved = item;
    moved.offset = to.bytes.size();
    to.bytes.append(from.bytes.all().subspan(item.offset, item.size));
    to.items.push_back(moved);
    if (item.track != kPcrTrack) to.present |= bit_of(item.track);
  }
  from.items = std::move(kept);
}

Segmenter::Open& Segmenter::home_of(const hub::Unit& unit) {
  if (unit.track == 0) return *open_.back();
  const std::int64_t pts = unit.timed ? unit.pts : tracks_[unit.track].last_pts;
  for (auto& segment : open_) {
    if (segment->kind == Open::Kind::gap || segment->forced) continue;
    if (!segment->ended || pts < segment->end_pts) {
      const bool late = segment->kind == Open::Kind::media && !segment->first && pts < segment->start_pts;
      if (late) ++counters_.late_units;
      return *segment;
    }
  }
  return *open_.back();
}

void Segmenter::append(Open& segment, const hub::Unit& unit) {
  const Item item = place(unit, segment.bytes.size());
  const auto room = segment.bytes.make_room(unit.packets.size(), options_.max_bytes);
  if (room != BudgetedBytes::Room::yes) {
    ++counters_.dropped_units;
    if (room == BudgetedBytes::Room::over_budget) ++counters_.dropped_over_budget;
    return;
  }
  if (unit.track != kPcrTrack) segment.present |= bit_of(unit.track);
  segment.items.push_back(item);
  segment.bytes.append(unit.packets);
}

Segmenter::Item Segmenter::place(const hub::Unit& unit, std::size_t offset) {
  std::int64_t key = last_dts_;
  std::int64_t pts = 0;
  if (unit.track != kPcrTrack) {
    TrackState& state = tracks_[unit.track];
    key = unit.timed ? unit.dts : state.last_key;
    pts = unit.timed ? unit.pts : state.last_pts;
    if (state.seen) key = std::max(key, state.last_key);
    state.seen = true;
    state.last_key = key;
    state.last_pts = pts;
  }
  return {key, unit.timed ? unit.dts : key, pts, offset, unit.packets.size(), unit.track, unit.timed};
}

// Into a segment that was handed on without it; false: there is none for it.
bool Segmenter::append_late(const hub::Unit& unit) {
  switch (late_.take(place(unit, 0), unit.packets)) {
    case LateTwins::Taken::no:
      return false;
    case LateTwins::Taken::yes:
      break;
    case LateTwins::Taken::early:
      ++counters_.late_units;
      break;
    case LateTwins::Taken::full:
      ++counters_.dropped_units;
      break;
  }
  return true;
}

void Segmenter::trim_preroll() {
  Open& preroll = *open_.back();
  const std::size_t limit = std::min(kPrerollBytes, options_.max_bytes / 2);
  if (preroll.bytes.size() < limit) return;
  std::unique_ptr<Open> fresh = make_open();
  fresh->kind = Open::Kind::preroll;
  take_over(preroll, *fresh, last_dts_, true);
  counters_.unlisted_units += preroll.items.size();
  if (fresh->bytes.size() >= limit / 2) {
    // Sound far ahead of the picture: kept, it would be copied again at every access unit.
    std::unique_ptr<Open> alone = make_open();
    alone->kind = Open::Kind::preroll;
    take_over(*fresh, *alone, std::numeric_limits<std::int64_t>::max(), true);
    counters_.unlisted_units += fresh->items.size();
    std::swap(fresh, alone);
    recycle(std::move(alone));
  }
  std::swap(open_.back(), fresh);
  recycle(std::move(fresh));
}

void Segmenter::push_preroll() {
  if (!open_.empty() && open_.back()->kind == Open::Kind::preroll) return;
  auto preroll = make_open();
  preroll->kind = Open::Kind::preroll;
  open_.push_back(std::move(preroll));
}

// What comes next does not join what was: the open segment ends with its last unit, and the next begins in a
// later slot.
void Segmenter::break_here(std::int64_t end) {
  if (!open_.empty() && open_.back()->kind == Open::Kind::media) {
    Open& current = *open_.back();
    current.ended = true;
    current.end = std::max(end, current.start);
    next_k_ = current.k + 1;
    next_start_ = current.end;
    min_slot_ = current.k + 1;
    ++counters_.discontinuities;
  } else if (!open_.empty() && open_.back()->kind == Open::Kind::preroll) {
    counters_.unlisted_units += open_.back()->items.size();
    recycle(std::move(open_.back()));
    open_.pop_back();
  }
  late_.end_before(kForEver);
  for (auto& segment : open_) segment->forced = true;
  flush(true);
  for (TrackState& state : tracks_) state.seen = false;
  pending_discontinuity_ = next_k_.has_value();
  any_master_ = false;
}

bool Segmenter::audio_complete(const Open& segment) const {
  if (segment.forced || last_dts_ >= segment.end + kAudioPatience) return true;
  for (std::size_t t = 1; t < tracks_.size(); ++t) {
    const bool present = (segment.present & bit_of(t)) != 0;
    if (!present || tracks_[t].last_pts >= segment.end_pts) continue;
    const auto& original = tracks_[t].original;
    if (original && tracks_[*original].last_pts - tracks_[t].last_pts > kTwinPatience) continue;
    return false;
  }
  return true;
}

void Segmenter::flush(bool all) {
  late_.end_before(last_dts_ - kTwinLimit);
  while (!open_.empty() && open_.front()->ended) {
    Open& front = *open_.front();
    if (front.kind == Open::Kind::gap) {
      ++counters_.gaps;
      sink_.on_gap(front.k, front.start, front.end - front.start);
    } else {
      if (!all && !audio_complete(front)) return;
      publish(front);
    }
    recycle(std::move(open_.front()));
    open_.pop_front();
  }
}

void Segmenter::publish(Open& segment) {
  std::stable_sort(segment.items.begin(), segment.items.end(),
                   [](const Item& a, const Item& b) { return a.key < b.key; });
  finished_.apart = options_.apart || has_twins(*segment.configuration);
  build_files(*segment.configuration, finished_.apart, segment.k, segment.start_pts, segment.bytes.all(),
              segment.items, whole_, parts_);
  finished_.k = segment.k;
  finished_.start = segment.start;
  finished_.duration = segment.end - segment.start;
  finished_.independent = segment.independent;
  finished_.discontinuity = segment.discontinuity;
  finished_.pieces = whole_.pieces;
  finished_.size = whole_.size;
  finished_.parts = parts_;
  finished_.awaited.assign(parts_.size(), false);
  for (std::size_t p = 0; p < parts_.size() && !segment.forced; ++p) {
    const std::size_t t = parts_[p].track;
    const bool complete = tracks_[t].seen && tracks_[t].last_pts >= segment.end_pts;
    finished_.awaited[p] = tracks_[t].original && !complete;
  }
  finished_.configuration = segment.configuration.get();
  finished_.formats = std::move(segment.formats);
  for (std::size_t t = 0; t < finished_.formats.size() && t < tracks_.size(); ++t) {
    // Sound comes behind the picture: the first segment begins before its format is known.
    TrackFormat& format = finished_.formats[t];
    if (!format.audio) format.audio = tracks_[t].audio;
    if (!format.video && t != 0) format.video = tracks_[t].video;
  }
  ++counters_.segments;
  sink_.on_segment(finished_);
  late_.keep({segment.k, segment.start_pts, segment.end, segment.end_pts, segment.configuration}, parts_,
             finished_.awaited, segment.bytes.all(), segment.items);
}

std::unique_ptr<Segmenter::Open> Segmenter::make_open() {
  if (spare_ == nullptr) return std::make_unique<Open>(options_.budget);
  std::unique_ptr<Open> segment = std::move(spare_);
  segment->reset();
  return segment;
}

// One spare keeps its memory, so that a steady channel allocates nothing; where memory is scarce it goes.
void Segmenter::recycle(std::unique_ptr<Open> segment) {
  const bool scarce = options_.budget != nullptr && options_.budget->used > options_.budget->limit / 2;
  if (scarce) {
    spare_.reset();
    return;
  }
  if (spare_ == nullptr || spare_->bytes.capacity() < segment->bytes.capacity()) spare_ = std::move(segment);
}

}  // namespace headgate::bridge::hls
