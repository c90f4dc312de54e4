#include "dataplane/bridge/app/channel.h"

#include <algorithm>
#include <utility>

#include "dataplane/bridge/app/diagnosis.h"

namespace headgate::bridge::app {
namespace {

constexpr std::uint64_t kMaxBitrate = 80'000'000;  // a segment's bound, bit/s

constexpr std::chrono::seconds kSilence{2};
// Until tables that name nothing to carry count as final.
constexpr std::chrono::seconds kTablesPatience{5};
constexpr std::chrono::seconds kFramesPatience{10};

hls::SegmenterOptions options_of(const protocol::HlsState& hls, hls::MemoryBudget* budget) {
  hls::SegmenterOptions options;
  options.segment = std::int64_t{hls.segment_ms} * (mpegts::kTicksPerSecond / 1000);
  options.max_bytes = static_cast<std::size_t>(hls.segment_ms) * (kMaxBitrate / 8 / 1000);
  options.max_gaps = hls.window;
  options.budget = budget;
  return options;
}

}  // namespace

Channel::Hls::Hls(const std::string& directory, const protocol::HlsState& state, hls::MemoryBudget* budget,
                  const std::string& channel)
    : store(directory, state.segment_ms, state.window),
      segmenter(options_of(state, budget), store),
      ladder(segmenter, channel) {
  if (const auto resume = store.resume()) segmenter.resume(resume->next_k, resume->next_start);
}

bool Channel::serves_anything(const protocol::BridgeChannel& state) {
  return state.hls || state.http_ts || state.rtmp || state.srt || !state.pushes.empty();
}

Channel::Channel(const protocol::BridgeChannel& state, std::string directory, hls::MemoryBudget* budget,
                 const Workers& workers)
    : state_(state),
      directory_(std::move(directory)),
      budget_(budget),
      workers_(workers),
      twins_(units_, state.id),
      eyes_(std::make_unique<Eyes>(workers, state, units_, twins_)) {
  for (auto& stats : stats_) stats = std::make_shared<hub::OutputStats>();
  set_workers();
  set_hls(std::nullopt);
  set_feeds();
}

bool Channel::can_become(const protocol::BridgeChannel& state) const {
  return state.id == state_.id && state.handle == state_.handle;
}

void Channel::become(const protocol::BridgeChannel& state) {
  const auto before = std::exchange(state_, state).hls;
  set_workers();
  eyes_->become(state_);
  set_hls(before);
  set_feeds();
}

void Channel::set_hls(const std::optional<protocol::HlsState>& before) {
  if (hls_ != nullptr && state_.hls && before->segment_ms == state_.hls->segment_ms) {
    hls_->store.set_window(state_.hls->window);
    return;
  }
  std::unique_ptr<hls::SegmentStore::Retired> retired;
  if (hls_ != nullptr) {
    if (state_.hls) retired = hls_->store.retire();
    units_.remove(&hls_->ladder);
    hls_.reset();  // the old one's files are read by the new one, which keeps what it can
    viewers_.clear();
  }
  if (!state_.hls) return;
  hls_ = std::make_unique<Hls>(directory_, *state_.hls, budget_, state_.id);
  hls_->segmenter.set_apart(keeps_apart());
  hls_->ladder.set(ladder_, ladder_jobs_);
  hls_->store.adopt(std::move(retired));
  segments_at_tick_ = 0;
  waiting_since_ = std::chrono::steady_clock::now();
  units_.add(&hls_->ladder);
}

void Channel::set_workers() {
  transcode::SoundWishes wishes;
  wishes.policy = state_.transcode;
  wishes.hls = state_.hls.has_value();
  wishes.rtmp = state_.rtmp || std::any_of(state_.pushes.begin(), state_.pushes.end(), [](const auto& push) {
                  return push.kind == protocol::PushKind::rtmp;
                });
  wishes.measure = state_.watch.sound;
  twins_.set(wishes, workers_.jobs);
}

bool Channel::serves_thumbnail() const { return state_.hls || state_.http_ts || state_.rtmp || state_.srt; }

http::ThumbnailView Channel::thumbnail() const {
  const transcode::Thumbnail& from = eyes_->thumbnail();
  http::ThumbnailView out;
  out.jpeg = from.jpeg();
  out.etag = from.etag();
  out.modified_unix = from.modified_unix();
  out.max_age_s = std::max<std::uint32_t>(1, state_.watch.every_ms / 1000);
  if (!state_.watch.pictures) {
    out.why_none = "Pictures of this channel are not looked at (watch.pictures is false).";
  } else if (workers_.pictures == nullptr) {
    out.why_none = "There is no transcode process to decode pictures.";
  } else {
    out.why_none = "There is no picture of this channel yet.";
  }
  return out;
}

void Channel::set_feeds() {
  if (state_.rtmp && frames_ == nullptr) {
    frames_ = std::make_unique<hub::FrameFeed>();
    units_.add(frames_.get());
  } else if (!state_.rtmp && frames_ != nullptr) {
    units_.remove(frames_.get());
    frames_.reset();
  }
  const bool wants_ts = state_.http_ts || state_.srt;
  if (wants_ts && ts_ == nullptr) ts_ = std::make_unique<hub::TsFeed>();
  if (!state_.http_ts) ts_output_.reset();
  if (state_.http_ts && ts_output_ == nullptr)
    ts_output_ = std::make_unique<http::TsOutput>(*ts_, state_.id, stats(Output::http_ts));
  if (!state_.srt && ts_ != nullptr) ts_->end(ts_output_.get());
  if (!wants_ts) ts_.reset();
  set_push_feeds();
}

void Channel::set_push_feeds() {
  const auto pushes_by = [this](protocol::PushKind kind) {
    return std::any_of(state_.pushes.begin(), state_.pushes.end(),
                       [kind](const protocol::BridgePush& push) { return push.kind == kind; });
  };
  const bool wants_frames = pushes_by(protocol::PushKind::rtmp);
  if (wants_frames && push_frames_ == nullptr) {
    push_frames_ = std::make_unique<hub::FrameFeed>();
    units_.add(push_frames_.get());
  } else if (!wants_frames && push_frames_ != nullptr) {
    units_.remove(push_frames_.get());
    push_frames_.reset();
  }
  const bool wants_ts = pushes_by(protocol::PushKind::srt);
  if (wants_ts && push_ts_ == nullptr) push_ts_ = std::make_unique<hub::TsFeed>();
  if (!wants_ts) push_ts_.reset();
}

std::vector<hub::OutputStatus> Channel::outputs() const {
  std::vector<hub::OutputStatus> out;
  const auto add = [&](bool served, Output output, const char* protocol) {
    const hub::OutputStats& of = *stats(output);
    if (served) out.push_back({protocol, of.sessions, of.bytes, {}});
  };
  add(state_.http_ts, Output::http_ts, "http-ts");
  add(state_.rtmp, Output::rtmp, "rtmp");
  if (frames_ != nullptr) out.back().left_out = frames_->left_out();
  add(state_.srt.has_value(), Output::srt, "srt");
  return out;
}

const hls::SegmenterCounters& Channel::segmenter_counters() const {
  static const hls::SegmenterCounters kNone;
  return hls_ == nullptr ? kNone : hls_->segmenter.counters();
}

std::shared_ptr<http::BodyStream> Channel::open_ts() {
  return ts_output_ == nullptr ? nullptr : ts_output_->open();
}

std::shared_ptr<std::uint64_t> Channel::slow_ts_clients() const {
  const auto& of = stats(Output::http_ts);
  return std::shared_ptr<std::uint64_t>(of, &of->cut);
}

void Channel::on_slot(const ring::Slot& slot) {
  if (!eyes_->on_slot(slot)) return;
  if (hls_ != nullptr && (slot.flags & ring::kSlotTimeline) != 0)
    hls_->store.set_arrival(slot.arrival_ns, slot.timeline);
  if (ts_ != nullptr) ts_->on_slot(slot);
  if (push_ts_ != nullptr) push_ts_->on_slot(slot);
  hub_.on_slot(slot);
}

void Channel::on_gap() {
  if (ts_ != nullptr) ts_->on_gap();
  if (push_ts_ != nullptr) push_ts_->on_gap();
  hub_.on_gap();
  eyes_->on_gap();
  if (hls_ != nullptr) hls_->segmenter.on_producer_restart();
}

void Channel::on_tick(std::chrono::steady_clock::time_point now) {
  if (hls_ != nullptr) {
    hls_->store.on_tick(now);
    hls_->segmenter.set_apart(keeps_apart());
  }
  eyes_->on_tick(now);
  const std::uint64_t packets = hub_.counters().packets;
  if (packets != packets_at_tick_) {
    if (packets_at_tick_ == 0 || now - last_packet_ >= kSilence) waiting_since_ = now;
    packets_at_tick_ = packets;
    last_packet_ = now;
    problem_ = find_problem(now);
    return;
  }
  const auto silent = now - last_packet_;
  if (packets == 0 || silent < kSilence) return;
  problem_.clear();  // nothing comes: that is another trouble, and not this process's to tell
  hub_.on_silence();
  if (frames_ != nullptr) frames_->on_silence();
  if (push_frames_ != nullptr) push_frames_->on_silence();
  if (hls_ == nullptr) return;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(silent).count();
  hls_->segmenter.on_silence(ms * (mpegts::kTicksPerSecond / 1000));
}

std::string Channel::find_problem(std::chrono::steady_clock::time_point now) {
  if (hls_ != nullptr) return find_hls_problem(now);
  if (frames_ == nullptr) return "";  // transport streams go out as they are
  if (frames_->counters().frames == 0 && now - waiting_since_ > kFramesPatience)
    return "RTMP has no frames: " + why_no_segment(hub_);
  if (hub_.video_given_up()) return "RTMP carries the sound alone: " + why_no_video(hub_);
  return "";
}

std::string Channel::find_hls_problem(std::chrono::steady_clock::time_point now) {
  const hls::SegmentStore& segment_store = hls_->store;
  const std::uint64_t segments = hls_->segmenter.counters().segments;
  if (std::exchange(segments_at_tick_, segments) != segments) waiting_since_ = now;
  if (segment_store.failing()) return "HLS can't write its segments: " + segment_store.last_error();
  // The slot under way, one without a random access point, the sound's patience, and a second for a busy
  // machine.
  const auto usual = 3 * std::chrono::milliseconds(state_.hls->segment_ms) + std::chrono::seconds(3);
  const auto patience =
      carries_nothing(hub_) ? std::min<std::chrono::milliseconds>(usual, kTablesPatience) : usual;
  if (now - waiting_since_ > patience) return "HLS has no segment: " + why_no_segment(hub_);
  if (hub_.video_given_up()) return "HLS carries the sound alone: " + why_no_video(hub_);
  const auto& entries = segment_store.entries();
  const auto listed = static_cast<std::ptrdiff_t>(segment_store.listed());
  const auto media =
      std::count_if(entries.end() - listed, entries.end(), [](const auto& e) { return !e.gap; });
  const bool joinable = std::any_of(entries.end() - listed, entries.end(),
                                    [](const auto& e) { return !e.gap && e.independent; });
  if (!joinable && segment_store.listed() == segment_store.window() && 2 * media >= listed)
    return "players can't begin: no listed segment has a random access point: " + why_no_random_access(hub_);
  return "";
}

void Channel::set_renditions(bool member, std::vector<transcode::LadderStep> ladder,
                             transcode::JobMaker* jobs) {
  apart_ = member;
  ladder_ = std::move(ladder);
  ladder_jobs_ = jobs;
  if (hls_ == nullptr) return;
  hls_->segmenter.set_apart(keeps_apart());
  hls_->ladder.set(ladder_, ladder_jobs_);
}

// A twin that its worker leaves out for a while ends nobody's playlist.
bool Channel::keeps_apart() const {
  const auto sounds = twins_.tracks();
  return apart_ ||
         std::any_of(sounds.begin(), sounds.end(), [](const auto& s) { return s.twin.has_value(); });
}

std::vector<transcode::LadderStatus> Channel::ladder() const {
  return hls_ == nullptr ? std::vector<transcode::LadderStatus>{} : hls_->ladder.status();
}

std::chrono::milliseconds Channel::viewer_patience() const {
  return 3 * std::chrono::seconds(state_.hls ? hls::target_duration(state_.hls->segment_ms) : 0);
}

bool Channel::on_viewer(const http::Request& request, std::uint64_t& last_number) {
  return viewers_.on_viewer(request.client, request.user_agent, std::chrono::steady_clock::now(),
                            viewer_patience(), last_number);
}

bool Channel::on_segment(const http::Request& request, std::size_t bytes) {
  return viewers_.on_segment(request.client, request.user_agent, bytes, std::chrono::steady_clock::now());
}

void Channel::list_viewers(std::vector<hub::SessionInfo>& out) {
  viewers_.list(state_.id, std::chrono::steady_clock::now(), viewer_patience(), out);
}

std::optional<hub::SessionInfo> Channel::kick_viewer(std::uint64_t number) {
  return viewers_.kick(number, state_.id, std::chrono::steady_clock::now());
}

std::size_t Channel::viewers() { return viewers_.count(std::chrono::steady_clock::now(), viewer_patience()); }

}  // namespace headgate::bridge::app
