#include "dataplane/bridge/ingest/place.h"

#include <algorithm>
#include <utility>

#include "control/log/log.h"

namespace headgate::bridge::ingest {
namespace {

constexpr std::int64_t kFreeAfterNs = 1'000'000'000;  // of silence, for another source
constexpr std::size_t kSlotBytes = ring::kMaxPacketsPerSlot * mpegts::kPacketSize;

FrameInput::Service service_of(const protocol::BridgeChannel& channel) {
  return {channel.service_id, channel.name.empty() ? channel.id : channel.name, channel.provider};
}

}  // namespace

Place::Place(const protocol::BridgeChannel& channel, const protocol::BridgeInput& input, RingOutput& ring,
             const Clock& clock)
    : channel_(channel.id),
      handle_(channel.handle),
      input_(input),
      service_(service_of(channel)),
      ring_(ring),
      clock_(clock) {
  status_.since_ns = clock_();
  batch_.reserve(kSlotBytes);
}

bool Place::can_become(const protocol::BridgeChannel& channel, const protocol::BridgeInput& input) const {
  protocol::BridgeInput same = input;
  same.number = input_.number;
  return channel.id == channel_ && channel.handle == handle_ && same == input_;
}

void Place::become(const protocol::BridgeChannel& channel, const protocol::BridgeInput& input) {
  input_.number = input.number;
  service_ = service_of(channel);
  if (frames_) frames_->set_service(service_);
}

void Place::set_state(SourceState state) {
  if (state != status_.state) status_.since_ns = clock_();
  status_.state = state;
}

void Place::say(bool warning, std::string_view reason, const std::string& what) {
  log::line(warning ? log::Level::warning : log::Level::info, {channel_, reason}, "input {}: {}",
            input_.number, what);
}

void Place::note(std::string_view error) {
  if (!error.empty() && error != status_.error) say(true, "input_failed", std::string(error));
  status_.error = error;
}

bool Place::attach(std::string_view peer, std::function<void()> displaced) {
  const std::int64_t now = clock_();
  if (attached_) {
    if (now - heard_ns_ < kFreeAfterNs) return false;
    if (auto told = std::exchange(displaced_, nullptr)) told();
  }
  if (frames_ && status_.connections > 0) {
    const std::int64_t grace_ns = std::int64_t{input_.grace_ms} * 1'000'000;
    now - heard_ns_ <= grace_ns ? frames_->go_on() : frames_->begin_anew();
  }
  on_gap();
  rate_ = {};
  attached_ = true;
  displaced_ = std::move(displaced);
  heard_ns_ = now;
  ++status_.connections;
  status_.peer = peer;
  status_.error.clear();
  status_.details.clear();
  status_.left_out_by_source.clear();
  set_state(SourceState::receiving);
  status_.since_ns = now;
  say(false, "input_received", "receiving from " + (peer.empty() ? input_.url : std::string(peer)));
  return true;
}

void Place::leave() {
  const bool comes_to_us =
      input_.kind == protocol::SourceKind::publish || input_.kind == protocol::SourceKind::srt_listener;
  set_state(comes_to_us ? SourceState::waiting : SourceState::connecting);
  status_.peer.clear();
}

void Place::detach(std::string_view error) {
  if (!attached_) return;
  attached_ = false;
  displaced_ = nullptr;
  if (frames_) frames_->end();
  ring_.flush();
  if (error.empty()) say(false, "input_ended", status_.peer + " ended");
  note(error);
  leave();
}

void Place::failed(std::string_view error) {
  if (attached_) return detach(error);
  note(error);
  leave();
}

void Place::on_gap() {
  const auto& gone = reader_.counters();
  reader_before_.skipped_bytes += gone.skipped_bytes;
  reader_before_.sync_losses += gone.sync_losses;
  reader_before_.sync_byte_errors += gone.sync_byte_errors;
  reader_ = mpegts::PacketReader{};
}

void Place::on_ts(std::span<const std::uint8_t> bytes) {
  if (!attached_) {
    unattached_ += bytes.size();
    return;
  }
  heard_ns_ = clock_();
  status_.bytes += bytes.size();
  rate_.add(heard_ns_, bytes.size());
  // A piece at a time: the reader keeps a copy of what it was given.
  constexpr std::size_t kPiece = std::size_t{64} * 1024;
  while (!bytes.empty()) {
    const auto piece = bytes.first(std::min(bytes.size(), kPiece));
    bytes = bytes.subspan(piece.size());
    reader_.push(piece);
    while (const auto item = reader_.next()) {
      const auto packet = item->packet.bytes();
      batch_.insert(batch_.end(), packet.begin(), packet.end());
      if (batch_.size() < kSlotBytes) continue;
      hand_on(batch_);
      batch_.clear();
    }
  }
  hand_on(batch_);
  batch_.clear();
  ring_.flush();
}

bool Place::has_room(std::size_t bytes) {
  constexpr std::int64_t kNsABit = 1'000'000'000 / kMostBitsASecond;
  const std::int64_t passed =
      std::clamp<std::int64_t>(arrival_ns_ - room_ns_, 0, kMostBytesAtOnce * 8 * kNsABit);
  room_ = std::min(kMostBytesAtOnce, room_ + passed / kNsABit / 8);
  room_ns_ = arrival_ns_;
  const auto wanted = static_cast<std::int64_t>(bytes);
  if (room_ < wanted) return false;
  room_ -= wanted;
  return true;
}

void Place::hand_on(std::span<const std::uint8_t> packets) {
  arrival_ns_ = std::max(arrival_ns_, clock_());
  while (!packets.empty()) {
    const auto slot = packets.first(std::min(packets.size(), kSlotBytes));
    packets = packets.subspan(slot.size());
    const std::uint64_t count = slot.size() / mpegts::kPacketSize;
    if (!has_room(slot.size())) {
      too_fast_ += count;
    } else if (ring_.push(handle_, input_.number, arrival_ns_, slot)) {
      status_.packets += count;
    } else {
      ring_full_ += count;
    }
  }
}

FrameInput& Place::frame_input() {
  if (!frames_) {
    frames_ = std::make_unique<FrameInput>([this](std::span<const std::uint8_t> p) { hand_on(p); }, clock_);
    frames_->set_service(service_);
  }
  return *frames_;
}

void Place::on_format(std::shared_ptr<const hub::FrameFormat> format) {
  if (!attached_) return;
  frame_input().on_format(std::move(format));
  ring_.flush();
}

void Place::on_frame(std::shared_ptr<const hub::Frame> frame) {
  if (frame == nullptr) return;
  if (!attached_) {
    unattached_ += frame->data.size();
    return;
  }
  heard_ns_ = clock_();
  status_.bytes += frame->data.size();
  rate_.add(heard_ns_, frame->data.size());
  frame_input().on_frame(std::move(frame));
  ring_.flush();
}

void Place::on_discontinuity() {
  if (attached_ && frames_) frames_->on_discontinuity();
}

void Place::on_tick(std::int64_t now_ns) {
  if (!frames_) return;
  frames_->on_tick(now_ns);
  ring_.flush();
}

void Place::refresh() const {
  auto& drops = status_.drops;
  status_.bitrate_bps = attached_ ? rate_.bits_per_second(clock_()) : 0;
  drops["ring_full"] = ring_full_;
  drops["too_fast"] = too_fast_;
  drops["out_of_sync"] = reader_before_.skipped_bytes + reader_.counters().skipped_bytes;
  drops["unattached"] = unattached_;
  const auto frames = frames_ ? frames_->counters() : FrameInput::Counters{};
  drops["unusable_frame"] = frames.unusable;
  drops["track_left_out"] = frames.without_place;
  drops["mux_full"] = frames_ ? frames_->muxer().dropped_units : 0;
  if (const std::uint64_t resyncs = reader_before_.sync_losses + reader_.counters().sync_losses; resyncs > 0)
    status_.details["resyncs"] = std::to_string(resyncs);
  status_.left_out = status_.left_out_by_source;
  if (!frames_) return;
  if (frames.clock_jumps > 0) status_.details["clock_jumps"] = std::to_string(frames.clock_jumps);
  if (frames_->muxer().late_units > 0)
    status_.details["late_frames"] = std::to_string(frames_->muxer().late_units);
  const auto& left_out = frames_->left_out();
  status_.left_out.insert(status_.left_out.end(), left_out.begin(), left_out.end());
}

SourceStatus& Place::status() {
  refresh();
  return status_;
}

const SourceStatus& Place::status() const {
  refresh();
  return status_;
}

}  // namespace headgate::bridge::ingest
