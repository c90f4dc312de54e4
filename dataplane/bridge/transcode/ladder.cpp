#include "dataplane/bridge/transcode/ladder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "dataplane/bridge/hub/payload.h"
#include "dataplane/bridge/net/text.h"
#include "mpegts/es/video.h"
#include "mpegts/packet/clock_fields.h"

namespace headgate::bridge::transcode {

using mpegts::Pid;

namespace {

constexpr std::int64_t kFarthest = 5 * mpegts::kTicksPerSecond;   // of what was sent last
constexpr std::int64_t kForgiven = 60 * mpegts::kTicksPerSecond;  // without falling behind
constexpr const char* kBehind =
    "its worker can't keep the source's pace: it needs more than the one core that it may have, or the "
    "machine "
    "is short of CPU; derive it from a smaller channel, or make it smaller";
constexpr std::size_t kLargestPicture = 4 * 1024 * 1024;
// What a worker may bring: several times what it was told to make, and what packets add to small pictures.
// More comes from no encoder of ours, and would take the memory of other channels' segments.
constexpr std::int64_t kTimesWanted = 4, kBesides = 64 * 1024;  // bytes a second
constexpr std::int64_t kAtOnce = 8;                             // seconds of that
constexpr std::size_t kLongestWord = 160;
constexpr std::uint8_t kH264StreamType = 0x1B;  // ISO/IEC 13818-1 table 2-34
constexpr std::uint16_t kFirstOwnPid = 0x1E00, kLastOwnPid = 0x1FFA;
constexpr std::size_t kVideoPesHeader = 19;  // with PTS and DTS
constexpr std::size_t kPacketPayload = mpegts::kPacketSize - 4;

Pid free_pid(const hub::Configuration& configuration) {
  const auto used = [&](Pid pid) {
    return pid == configuration.pmt_pid || pid == configuration.pmt.pcr_pid ||
           std::any_of(configuration.pmt.streams.begin(), configuration.pmt.streams.end(),
                       [&](const mpegts::PmtStream& s) { return s.pid == pid; });
  };
  Pid pid{kFirstOwnPid};
  while (used(pid) && pid.value < kLastOwnPid) ++pid.value;
  return pid;
}

std::vector<std::uint8_t> pes_of(std::span<const std::uint8_t> unit, std::uint64_t pts, std::uint64_t dts) {
  std::vector<std::uint8_t> pes(kVideoPesHeader, 0);
  pes[2] = 1;
  pes[3] = 0xE0;  // table 2-22; no length: video in a transport stream
  pes[6] = 0x84;  // data_alignment_indicator: begins with the access unit
  pes[7] = 0xC0;  // PTS and DTS
  pes[8] = 10;
  pes[9] = 0x30;
  mpegts::put_stamp(std::span<std::uint8_t, 5>(pes.data() + 9, 5), {pts});
  pes[14] = 0x10;
  mpegts::put_stamp(std::span<std::uint8_t, 5>(pes.data() + 14, 5), {dts});
  pes.insert(pes.end(), unit.begin(), unit.end());
  return pes;
}

// The first packet says where a decoder can begin (2.4.3.5); the last one is filled up in its adaptation
// field.
void pack(std::span<const std::uint8_t> pes, Pid pid, bool random_access, std::uint8_t& continuity,
          std::vector<std::uint8_t>& out) {
  out.clear();
  for (std::size_t at = 0; at < pes.size();) {
    const bool first = at == 0;
    const std::size_t least_field = first && random_access ? 2 : 0;
    const std::size_t size = std::min(kPacketPayload - least_field, pes.size() - at);
    const std::size_t field = kPacketPayload - size;  // its length byte counted in
    out.push_back(mpegts::kSyncByte);
    out.push_back(static_cast<std::uint8_t>((first ? 0x40 : 0) | pid.value >> 8));
    out.push_back(static_cast<std::uint8_t>(pid.value));
    out.push_back(static_cast<std::uint8_t>(0x10 | (field > 0 ? 0x20 : 0) | continuity));
    continuity = (continuity + 1) & 0x0F;
    if (field > 0) out.push_back(static_cast<std::uint8_t>(field - 1));
    if (field > 1) {
      out.push_back(first && random_access ? 0x40 : 0);
      out.insert(out.end(), field - 2, 0xFF);
    }
    const auto piece = pes.subspan(at, size);
    out.insert(out.end(), piece.begin(), piece.end());
    at += size;
  }
}

}  // namespace

struct Ladder::Rung {
  LadderStep step;
  std::unique_ptr<Job> job;
  std::uint8_t track = 0;
  Pid pid;
  std::uint8_t continuity = 0;
  bool begun = false;
  std::uint32_t pending_flags = 0;  // for the next packet
  bool joined = false;              // a random access point came since the last loss
  std::int64_t in_hand = 0;         // bytes, less what the source's time has allowed since
  std::optional<std::int64_t> allowed_until;
  // Of the channel's timeline.
  std::optional<std::int64_t> kept_pace;  // how far the worker has come
  std::optional<std::int64_t> paused;     // until then at least, and until it has taken all
  std::int64_t pause = 0;                 // the last one's length
  std::int64_t forgiven = std::numeric_limits<std::int64_t>::min();  // then pauses are short again
  std::int64_t hand_on_from = std::numeric_limits<std::int64_t>::min();
  mpegts::es::VideoParser parser{mpegts::StreamKind::h264};
  std::optional<mpegts::es::VideoFormat> format;
  std::vector<std::uint8_t> packets;
  LadderStatus status;

  // The timeline begins anew: it may be another one.
  void forget_times() {
    allowed_until.reset();
    kept_pace.reset();
    if (paused) paused = std::numeric_limits<std::int64_t>::min();
    forgiven = hand_on_from = std::numeric_limits<std::int64_t>::min();
  }
};

Ladder::Ladder(hub::UnitSink& out, std::string channel) : out_(out), channel_(std::move(channel)) {}
Ladder::~Ladder() = default;

void Ladder::set(const std::vector<LadderStep>& steps, JobMaker* maker) {
  if (steps == steps_ && maker == maker_) return;
  steps_ = steps;
  if (maker != maker_) rungs_.clear();
  maker_ = maker;
  if (source_ == nullptr) return;
  set_rungs();
  publish();
}

std::vector<LadderStatus> Ladder::status() const {
  std::vector<LadderStatus> out;
  for (const auto& rung : rungs_) {
    out.push_back(rung->status);
    out.back().not_sent = rung->job->counters().dropped;
    if (rung->paused || last_dts_ < rung->forgiven) out.back().trouble = kBehind;
  }
  return out;
}

void Ladder::set_rungs() {
  auto old = std::exchange(rungs_, {});
  const bool video = !source_->carried.empty() && mpegts::is_video(source_->carried[0].kind);
  if (!video || maker_ == nullptr) return;
  for (const LadderStep& step : steps_) {
    const auto found = std::find_if(old.begin(), old.end(),
                                    [&](const auto& rung) { return rung != nullptr && rung->step == step; });
    if (found != old.end()) {
      rungs_.push_back(std::move(*found));
      continue;
    }
    auto rung = std::make_unique<Rung>();
    rung->step = step;
    rung->status.name = step.name;
    Rung* raw = rung.get();
    rung->job =
        maker_->make("ladder." + step.name, {job::Kind::ladder, channel_}, kLadderRings,
                     [this, raw](const ring::MessageHeader& header, std::span<const std::uint8_t> payload) {
                       on_message(*raw, header, payload);
                     });
    rungs_.push_back(std::move(rung));
  }
}

void Ladder::on_configuration(std::shared_ptr<const hub::Configuration> configuration) {
  const bool same = source_ != nullptr && source_->same_media(*configuration);
  source_ = std::move(configuration);
  if (same) return publish();
  set_rungs();
  for (const auto& rung : rungs_) {
    rung->begun = rung->joined = false;
    rung->pending_flags |= job::kDiscontinuity;
    rung->forget_times();
  }
  last_sent_.reset();
  publish();
}

void Ladder::publish() {
  if (rungs_.empty()) return out_.on_configuration(source_);
  auto whole = std::make_shared<hub::Configuration>(*source_);
  for (const auto& rung : rungs_) {
    rung->pid = free_pid(*whole);
    rung->track = static_cast<std::uint8_t>(whole->carried.size());
    hub::Track track{rung->pid, kH264StreamType, mpegts::StreamKind::h264, "", true, ""};
    track.twin_of = source_->carried[0].pid;
    track.name = rung->step.name;
    whole->pmt.streams.push_back({kH264StreamType, rung->pid, {}});
    whole->carried.push_back(std::move(track));
  }
  out_.on_configuration(std::move(whole));
}

void Ladder::on_discontinuity() {
  for (const auto& rung : rungs_) {
    rung->pending_flags |= job::kDiscontinuity;
    rung->joined = false;
    rung->forget_times();
  }
  last_sent_.reset();
  out_.on_discontinuity();
}

void Ladder::on_loss() {
  for (const auto& rung : rungs_) rung->pending_flags |= job::kLoss;
  out_.on_loss();
}

void Ladder::on_unit(const hub::Unit& unit) {
  if (unit.track == 0 && !rungs_.empty()) feed(unit);
  out_.on_unit(unit);
}

void Ladder::begin_stream(Rung& rung) {
  const mpegts::StreamKind kind = source_->carried[0].kind;
  job::StreamBegin begin;
  begin.codec = static_cast<std::uint8_t>(kind);
  begin.encode = 1;
  begin.width = rung.step.width;
  begin.height = rung.step.height;
  begin.bitrate = rung.step.bitrate_bps;
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::stream);
  rung.begun = rung.job->push(header, job::bytes_of(begin));
}

void Ladder::fall_behind(Rung& rung, std::int64_t now) {
  ++rung.status.behind;
  rung.pause = now < rung.forgiven ? std::min(2 * rung.pause, kLongestPause) : kFirstPause;
  rung.paused = now + rung.pause;
  rung.forgiven = *rung.paused + kForgiven;
}

// Whether the unit is to be sent to its worker.
bool Ladder::keeps_pace(Rung& rung, const hub::Unit& unit) {
  if (!unit.timed) return !rung.paused;
  const bool taken = rung.job->unread() == 0;
  if (rung.paused) {
    const bool random_access = unit.random_access != mpegts::es::RandomAccess::none;
    if (!taken || !random_access || unit.dts < *rung.paused) return false;
    rung.paused.reset();
    rung.pending_flags |= job::kDiscontinuity;
    rung.hand_on_from = unit.pts + kTrial;
  }
  if (taken || !rung.kept_pace || *rung.kept_pace > unit.dts) rung.kept_pace = unit.dts;
  if (unit.dts - *rung.kept_pace <= kMostBehind) return true;
  rung.kept_pace.reset();
  fall_behind(rung, unit.dts);
  return false;
}

void Ladder::feed(const hub::Unit& unit) {
  hub::gather(unit.packets, kLargestPicture, pes_);
  const auto pes = hub::view_pes(pes_);
  if (!pes || pes->payload.empty()) return;
  if (unit.timed && pes->header.pts) {
    offset_ = unit.pts - static_cast<std::int64_t>(pes->header.pts->ticks) * 300;
    if (!last_sent_) begun_at_ = unit.pts;
    last_sent_ = unit.pts;
    last_dts_ = unit.dts;
  }
  const bool random_access = unit.random_access != mpegts::es::RandomAccess::none;
  for (const auto& rung : rungs_) {
    if (!keeps_pace(*rung, unit)) {
      ++rung->status.left_out;
      continue;
    }
    // Again at each random access point: a worker that began anew knows nothing.
    if (!rung->begun || random_access) begin_stream(*rung);
    ring::MessageHeader header;
    header.kind = static_cast<std::uint16_t>(job::Message::packet);
    header.pts = unit.pts;
    header.dts = unit.dts;
    header.flags =
        rung->pending_flags | (random_access ? job::kRandomAccess : 0U) | (unit.timed ? 0U : job::kUntimed);
    if (rung->begun && rung->job->push(header, pes->payload)) {
      rung->pending_flags = 0;
    } else {
      rung->pending_flags |= job::kLoss;
    }
  }
}

void Ladder::on_message(Rung& rung, const ring::MessageHeader& header,
                        std::span<const std::uint8_t> payload) {
  switch (static_cast<job::Message>(header.kind)) {
    case job::Message::frame:
      return on_frame(rung, header, payload);
    case job::Message::trouble:
      rung.status.trouble =
          net::printable({reinterpret_cast<const char*>(payload.data()), payload.size()}, kLongestWord);
      return;
    default:
      return;
  }
}

// Whether so much may come: a bucket that the source's own time empties. Else all up to the next random
// access point is left out.
bool Ladder::allow(Rung& rung, std::size_t size) {
  const std::int64_t a_second = std::int64_t{rung.step.bitrate_bps} / 8 * kTimesWanted + kBesides;
  const std::int64_t passed =
      std::clamp<std::int64_t>(*last_sent_ - rung.allowed_until.value_or(*last_sent_), 0, 2 * kFarthest);
  rung.in_hand = std::max<std::int64_t>(0, rung.in_hand - passed * a_second / mpegts::kTicksPerSecond);
  rung.allowed_until = std::max(*last_sent_, rung.allowed_until.value_or(*last_sent_));
  const auto packets = static_cast<std::int64_t>(size / kPacketPayload + 2);
  const std::int64_t more = packets * static_cast<std::int64_t>(mpegts::kPacketSize);
  rung.joined = rung.in_hand + more <= kAtOnce * a_second;
  if (rung.joined) rung.in_hand += more;
  return rung.joined;
}

void Ladder::on_frame(Rung& rung, const ring::MessageHeader& header, std::span<const std::uint8_t> frame) {
  const bool lost = (header.flags & (job::kDiscontinuity | job::kLoss | ring::kMessageLoss)) != 0;
  const bool random_access = (header.flags & job::kRandomAccess) != 0;
  if (lost) rung.joined = false;
  if (random_access) rung.joined = true;
  // In this order: differences of times that were not looked at could overflow.
  const bool plausible = last_sent_ && !frame.empty() && header.pts >= begun_at_ &&
                         header.pts <= *last_sent_ + kFarthest && header.pts >= *last_sent_ - 2 * kFarthest &&
                         header.dts <= header.pts && header.dts >= header.pts - kFarthest;
  if (plausible && (header.pts < last_dts_ - kLatest || header.pts < rung.hand_on_from)) {
    rung.joined = false;
    ++rung.status.left_out;
    return;
  }
  if (plausible && rung.kept_pace) rung.kept_pace = std::max(*rung.kept_pace, header.dts);
  if (!rung.joined || !plausible || source_ == nullptr || !allow(rung, frame.size())) {
    ++rung.status.dropped;
    return;
  }
  if (random_access) rung.parser.inspect_start(frame);
  if (rung.parser.format()) rung.format = rung.parser.format();
  const auto stamp = [this](std::int64_t time) {
    const std::int64_t ticks = (time - offset_) / 300;
    constexpr auto kModulus = static_cast<std::int64_t>(mpegts::kPtsModulus);
    return static_cast<std::uint64_t>((ticks % kModulus + kModulus) % kModulus);
  };
  pack(pes_of(frame, stamp(header.pts), stamp(header.dts)), rung.pid, random_access, rung.continuity,
       rung.packets);
  hub::Unit unit;
  unit.track = rung.track;
  unit.timed = true;
  unit.random_access = random_access ? mpegts::es::RandomAccess::clean : mpegts::es::RandomAccess::none;
  unit.pts = header.pts;
  unit.dts = header.dts;
  unit.video = rung.format ? &*rung.format : nullptr;
  unit.packets = rung.packets;
  ++rung.status.frames;
  out_.on_unit(unit);
}

}  // namespace headgate::bridge::transcode
