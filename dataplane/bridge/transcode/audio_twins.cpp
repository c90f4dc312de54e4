#include "dataplane/bridge/transcode/audio_twins.h"

#include <algorithm>
#include <utility>

#include "dataplane/bridge/hub/payload.h"
#include "dataplane/bridge/hub/selection.h"
#include "dataplane/bridge/hub/unix_time.h"
#include "dataplane/bridge/net/text.h"
#include "dataplane/bridge/transcode/twin_packer.h"

namespace headgate::bridge::transcode {

using mpegts::Pid;
using mpegts::StreamKind;

namespace {

constexpr std::int64_t kFrameTicks = 576'000;                    // 1024 samples at 48 kHz
constexpr std::int64_t kStreamAgain = mpegts::kTicksPerSecond;   // StreamBegin is repeated
constexpr std::int64_t kMaxAhead = 2 * mpegts::kTicksPerSecond;  // of the last packet sent
constexpr std::int64_t kTimeJump = mpegts::kTicksPerSecond;      // from one packet to the next
constexpr std::int64_t kJoin = 2 * mpegts::kTicksPerSecond;  // after a break, until its mark counts as lost
constexpr std::size_t kLargestSoundPes = 128 * 1024;
constexpr std::size_t kLongestTrouble = 160;
constexpr std::uint8_t kAacStreamType = 0x0F;  // ISO/IEC 13818-1 table 2-34
constexpr std::uint16_t kTwinDistance = 0x800;
constexpr std::uint16_t kFirstPid = 0x20, kLastPid = 0x1FFA;  // table 2-3, EN 300 468 table 1, ATSC A/65

// The descriptors that say whose language it is and for whom, not how it is coded.
mpegts::Descriptors of_language(const mpegts::Descriptors& all) {
  constexpr std::uint8_t kIso639 = 0x0A, kExtension = 0x7F, kSupplementaryAudio = 0x06;
  mpegts::Descriptors out;
  for (std::size_t at = 0; at + 2 <= all.bytes.size();) {
    const std::size_t size = std::size_t{all.bytes[at + 1]} + 2;
    if (size > all.bytes.size() - at) break;
    const std::uint8_t tag = all.bytes[at];
    const bool kept =
        tag == kIso639 || (tag == kExtension && size > 2 && all.bytes[at + 2] == kSupplementaryAudio);
    const auto begin = all.bytes.begin() + static_cast<std::ptrdiff_t>(at);
    if (kept) out.bytes.insert(out.bytes.end(), begin, begin + static_cast<std::ptrdiff_t>(size));
    at += size;
  }
  return out;
}

}  // namespace

bool wants_twin(const SoundWishes& wishes, StreamKind kind, const mpegts::es::AudioFormat* format) {
  if (wishes.policy == protocol::AudioTranscode::never || !(wishes.hls || wishes.rtmp)) return false;
  const bool always = wishes.policy == protocol::AudioTranscode::always;
  switch (kind) {
    case StreamKind::mpeg_audio:
      // Layer III is MP3, which RTMP carries and all players of HLS decode. Broadcasts send layer II.
      return always || format == nullptr || format->codec != "mp4a.40.34";
    case StreamKind::ac3:
    case StreamKind::eac3:
    case StreamKind::dts:
      return true;
    case StreamKind::aac_latm:
      return always || wishes.hls;  // RTMP gets what is inside as it is
    case StreamKind::aac_adts:
      return always && format != nullptr && !(format->codec == "mp4a.40.2" && format->sample_rate == 48'000);
    default:
      return false;
  }
}

const char* to_string(TwinState state) {
  switch (state) {
    case TwinState::starting:
      return "starting";
    case TwinState::running:
      return "running";
    case TwinState::late:
      return "late";
    case TwinState::silent:
      return "silent";
    case TwinState::idle:
      break;
  }
  return "idle";
}

struct AudioTwins::Lane {
  std::int64_t lag() const {
    return reference ? last_sent - std::max(*reference, last_frame.value_or(*reference)) : 0;
  }
  void forget() {
    reference.reset();
    last_frame.reset();
    last_out.reset();
    idle = heard_of = silent = false;
    settle_state();
  }
  void settle_state() {
    const TwinState now = idle            ? TwinState::idle
                          : !heard_of     ? TwinState::starting
                          : silent        ? TwinState::silent
                          : lag() > kLate ? TwinState::late
                                          : TwinState::running;
    if (std::exchange(state, now) != now) since_unix_ns = hub::unix_now_ns();
  }

  hub::Track source;
  mpegts::Descriptors descriptors;
  std::uint16_t stream = 0;
  std::optional<mpegts::es::AudioFormat> source_format;
  bool encode = false;
  bool begun = false;         // the worker was told,
  bool begun_encode = false;  // with this
  bool present = false;       // in the configuration; only with `encode`
  bool idle = false;          // named so there
  std::uint8_t out_track = 0;
  std::uint32_t pending_flags = 0;  // for the next packet
  // Towards the worker.
  std::optional<std::int64_t> reference;  // from where on frames are awaited
  std::int64_t last_sent = 0;
  std::int64_t begun_at = 0;
  std::int64_t offset = 0;  // timeline minus the stream's own clock
  // From it.
  std::optional<Pid> pid;
  std::optional<TwinPacker> packer;
  mpegts::es::AudioFormat format;
  bool awaits_join = false;                // frames up to the one that is marked are of before the break
  std::optional<std::int64_t> last_frame;  // that came in time
  std::optional<std::int64_t> last_out;
  bool heard_of = false;  // a frame came since it began
  bool silent = false;    // silence is put in place of what doesn't come
  TwinState state = TwinState::starting;
  std::int64_t since_unix_ns = hub::unix_now_ns();
  TwinCounters counters;
  Lag delay;  // of its frames
  std::uint32_t decode_errors = 0;
  std::string trouble;
};

AudioTwins::AudioTwins(hub::UnitSink& out, std::string channel, std::string suffix)
    : out_(out), channel_(std::move(channel)), suffix_(std::move(suffix)) {}
AudioTwins::~AudioTwins() = default;

void AudioTwins::set(const SoundWishes& wishes, JobMaker* maker) {
  if (wishes == wishes_ && maker == maker_) return;
  wishes_ = wishes;
  maker_ = maker;
  if (source_ == nullptr) return;
  set_lanes();
  publish(false);
}

void AudioTwins::on_configuration(std::shared_ptr<const hub::Configuration> configuration) {
  source_ = std::move(configuration);
  set_lanes();
  publish(true);
}

void AudioTwins::set_lanes() {
  auto old = std::exchange(lanes_, {});
  lane_of_track_.assign(source_->carried.size() + source_->heard.size(), nullptr);
  for (std::size_t i = 0; i < lane_of_track_.size(); ++i) {
    const hub::Track& track =
        i < source_->carried.size() ? source_->carried[i] : source_->heard[i - source_->carried.size()];
    if (maker_ == nullptr || !mpegts::is_audio(track.kind)) continue;
    if (!wishes_.measure && !(wishes_.hls || wishes_.rtmp)) continue;
    const auto found = std::find_if(old.begin(), old.end(), [&](const auto& lane) {
      return lane != nullptr && lane->source.pid == track.pid && lane->source.kind == track.kind &&
             lane->source.language == track.language;
    });
    std::unique_ptr<Lane> lane;
    if (found != old.end()) {
      lane = std::move(*found);
    } else {
      lane = std::make_unique<Lane>();
      const auto taken = [this](const auto& lane_of) {
        return lane_of != nullptr && lane_of->stream == next_stream_;
      };
      do {
        next_stream_ = static_cast<std::uint16_t>((next_stream_ + 1U) % ring::MessageProducer::kMaxStreams);
      } while (std::any_of(lanes_.begin(), lanes_.end(), taken) ||
               std::any_of(old.begin(), old.end(), taken));
      lane->stream = next_stream_;
    }
    lane->source = track;
    lane->descriptors.bytes.clear();
    for (const mpegts::PmtStream& s : source_->pmt.streams) {
      if (s.pid == track.pid) lane->descriptors = of_language(s.descriptors);
    }
    if (lane->descriptors.bytes.empty() && track.language.size() == 3) {
      const auto letter = [&](std::size_t at) { return static_cast<std::uint8_t>(track.language[at]); };
      lane->descriptors.bytes = {0x0A, 4, letter(0), letter(1), letter(2), 0};
    }
    lane_of_track_[i] = lane.get();
    lanes_.push_back(std::move(lane));
  }
  for (const auto& lane : old) {
    if (lane != nullptr) end_stream(*lane);
  }
  for (const auto& lane : lanes_) decide(*lane);
  open_job();
}

void AudioTwins::decide(Lane& lane) {
  const bool before = lane.encode;
  lane.encode = wants_twin(wishes_, lane.source.kind, lane.source_format ? &*lane.source_format : nullptr);
  lane.present = lane.encode;  // without waiting for the first frame
  if (before != lane.encode) lane.forget();
}

void AudioTwins::open_job() {
  const bool needed =
      maker_ != nullptr && std::any_of(lanes_.begin(), lanes_.end(),
                                       [this](const auto& lane) { return lane->encode || wishes_.measure; });
  if (needed == (job_ != nullptr)) return;
  job_.reset();
  for (const auto& lane : lanes_) lane->begun = false;
  if (!needed) return;
  job_ = maker_->make("sound." + channel_ + suffix_, {job::Kind::sound, channel_}, kSoundRings,
                      [this](const ring::MessageHeader& header, std::span<const std::uint8_t> payload) {
                        on_message(header, payload);
                      });
}

// The first free PID from so far behind the original on: the same on every node.
void AudioTwins::assign_pids() {
  std::vector<Pid> used{source_->pmt_pid, source_->pmt.pcr_pid};
  for (const mpegts::PmtStream& s : source_->pmt.streams) used.push_back(s.pid);
  for (const hub::Track& t : source_->heard) used.push_back(t.pid);
  for (const auto& lane : lanes_) {
    if (!lane->encode) continue;
    auto value = static_cast<std::uint16_t>(lane->source.pid.value + kTwinDistance);
    for (;; ++value) {
      if (value > kLastPid) value = kFirstPid;
      if (std::find(used.begin(), used.end(), Pid{value}) == used.end()) break;
    }
    used.push_back({value});
    if (lane->pid == Pid{value}) continue;
    lane->pid = Pid{value};
    lane->packer.emplace(Pid{value});
    lane->last_out.reset();
  }
}

// `always`: although nothing changed; a hub says its streams more than once.
void AudioTwins::publish(bool always) {
  assign_pids();
  auto next = std::make_shared<hub::Configuration>(*source_);
  for (const auto& lane : lanes_) {
    if (!lane->present || next->carried.size() >= hub::kMaxStreams) {
      lane->present = false;
      continue;
    }
    hub::Track twin;
    twin.pid = *lane->pid;
    twin.stream_type = kAacStreamType;
    twin.kind = StreamKind::aac_adts;
    twin.language = lane->source.language;
    twin.carried = true;
    twin.twin_of = lane->source.pid;
    lane->out_track = static_cast<std::uint8_t>(next->carried.size());
    if (lane->idle) next->idle_twins.push_back(twin.pid);
    next->pmt.streams.push_back({kAacStreamType, twin.pid, lane->descriptors});
    next->carried.push_back(std::move(twin));
  }
  const bool same =
      published_ != nullptr && published_->same_media(*next) && published_->idle_twins == next->idle_twins;
  if (same && !always) return;
  published_ = std::move(next);
  out_.on_configuration(published_);
}

void AudioTwins::on_unit(const hub::Unit& unit) {
  if (unit.track == hub::kPcrTrack || source_ == nullptr || unit.track < source_->carried.size())
    out_.on_unit(unit);
  if (unit.track >= lane_of_track_.size()) return;
  if (Lane* lane = lane_of_track_[unit.track]; lane != nullptr) feed(*lane, unit);
}

void AudioTwins::on_discontinuity() {
  for (const auto& lane : lanes_) {
    lane->pending_flags |= job::kDiscontinuity;
    lane->awaits_join = true;
    lane->reference.reset();
    lane->last_frame.reset();
    lane->last_out.reset();
    lane->silent = false;
  }
  out_.on_discontinuity();
}

void AudioTwins::on_loss() {
  for (const auto& lane : lanes_) lane->pending_flags |= job::kLoss;
  out_.on_loss();
}

void AudioTwins::feed(Lane& lane, const hub::Unit& unit) {
  if (unit.audio != nullptr && lane.source_format != *unit.audio) {
    lane.source_format = *unit.audio;
    const bool before = lane.encode;
    decide(lane);
    if (lane.encode != before) {
      publish(false);
      open_job();
    }
  }
  if (job_ == nullptr || !(lane.encode || wishes_.measure)) return;
  hub::gather(unit.packets, kLargestSoundPes, pes_);
  const auto pes = hub::view_pes(pes_);
  if (!pes || pes->payload.empty()) return;
  if (pes_.size() >= kLargestSoundPes) {
    ++totals_.oversized;
    lane.pending_flags |= job::kLoss;
    return;
  }
  if (!unit.timed && !lane.reference) return;  // nothing says when to play it
  if (unit.timed) {
    if (pes->header.pts) lane.offset = unit.pts - static_cast<std::int64_t>(pes->header.pts->ticks) * 300;
    const bool jumped =
        !lane.reference || unit.pts < lane.last_sent - kTimeJump || unit.pts > lane.last_sent + kTimeJump;
    if (jumped) lane.reference = unit.pts;
    if (jumped || unit.pts - lane.begun_at >= kStreamAgain) lane.begun = false;
    lane.last_sent = unit.pts;
  }
  begin_stream(lane);
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::packet);
  header.stream = lane.stream;
  header.flags = lane.pending_flags | (unit.timed ? 0 : job::kUntimed);
  header.pts = unit.timed ? unit.pts : lane.last_sent;
  header.dts = unit.timed ? unit.dts : lane.last_sent;
  if (job_->push(header, pes->payload)) {
    lane.pending_flags = 0;
  } else {
    lane.pending_flags |= job::kLoss;
  }
  if (!unit.timed || !lane.present) return;
  fill(lane, lane.last_sent - kPatience);
  watch_lag(lane);
}

// Told again every second, to a worker that began anew in the place of one that died.
void AudioTwins::begin_stream(Lane& lane) {
  if (lane.begun && lane.begun_encode == lane.encode) return;
  job::StreamBegin begin;
  begin.codec = static_cast<std::uint8_t>(lane.source.kind);
  begin.encode = lane.encode ? 1 : 0;
  begin.sampled_ms = lane.encode ? 0 : kSampledMs;
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::stream);
  header.stream = lane.stream;
  header.pts = header.dts = lane.last_sent;
  if (!job_->push(header, job::bytes_of(begin))) return;
  lane.begun = true;
  lane.begun_encode = lane.encode;
  lane.begun_at = lane.last_sent;
}

void AudioTwins::end_stream(Lane& lane) {
  if (job_ == nullptr) return;
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::end);
  header.stream = lane.stream;
  job_->push(header, {});
}

// Silence in place of what does not come any more.
void AudioTwins::fill(Lane& lane, std::int64_t until) {
  if (!lane.heard_of) return;  // of how many channels?
  std::int64_t next = (*lane.reference + kFrameTicks - 1) / kFrameTicks * kFrameTicks;
  if (lane.last_out) next = std::max(next, *lane.last_out + kFrameTicks);
  for (; next < until; next += kFrameTicks)
    hand_on(lane, next, Filled::here, silent_adts_frame(lane.format.channels));
}

void AudioTwins::watch_lag(Lane& lane) {
  if (!lane.idle && lane.lag() > (lane.heard_of ? kGone : kFirstPatience)) {
    lane.idle = true;
    ++lane.counters.withdrawn;
    ++totals_.withdrawn;
    publish(false);
  }
  lane.settle_state();
}

void AudioTwins::on_message(const ring::MessageHeader& header, std::span<const std::uint8_t> payload) {
  const auto found =
      std::find_if(lanes_.begin(), lanes_.end(), [&](const auto& l) { return l->stream == header.stream; });
  if (found == lanes_.end()) return;  // on its way when the stream ended
  Lane& lane = **found;
  switch (static_cast<job::Message>(header.kind)) {
    case job::Message::frame:
      return on_frame(lane, header, payload);
    case job::Message::levels:
      if (const auto levels = job::read<job::SoundLevels>(payload)) {
        lane.decode_errors = levels->decode_errors;
        if (on_levels_) on_levels_(lane.source.pid, *levels);
      }
      return;
    case job::Message::trouble:
      lane.trouble =
          net::printable({reinterpret_cast<const char*>(payload.data()), payload.size()}, kLongestTrouble);
      return;
    default:
      return;
  }
}

void AudioTwins::on_frame(Lane& lane, const ring::MessageHeader& header,
                          std::span<const std::uint8_t> frame) {
  if (!lane.encode || !lane.packer) return;  // on its way while the policy changed
  const auto format = adts_format(frame);
  if (!format) {
    ++lane.counters.unusable;
    ++totals_.unusable;
    return;
  }
  if (!admit(lane, header)) return;
  lane.format = *format;
  lane.heard_of = true;
  lane.last_frame = header.pts;
  if (std::exchange(lane.idle, false)) publish(false);
  if (lane.present) {
    if (lane.last_out) fill(lane, header.pts - kFrameTicks / 2);
    hand_on(lane, header.pts, (header.flags & job::kFilled) != 0 ? Filled::by_worker : Filled::no, frame);
  }
  lane.settle_state();
}

// Whether its time can be. Counts it where not.
bool AudioTwins::admit(Lane& lane, const ring::MessageHeader& header) {
  const auto drop = [&](std::uint64_t TwinCounters::*why) {
    ++(lane.counters.*why);
    ++(totals_.*why);
    return false;
  };
  if (!lane.reference) return drop(&TwinCounters::late);  // a break, and nothing was sent since
  // What can't be first: differences of times that were not looked at could overflow. Frames stand on the
  // grid, so that no worker can bring more of them than there is time.
  if (header.pts > lane.last_sent + kMaxAhead || header.pts % kFrameTicks != 0)
    return drop(&TwinCounters::unusable);
  if (lane.awaits_join) {
    // The mark may have been lost with its frame.
    const bool joined = (header.flags & job::kDiscontinuity) != 0 || lane.last_sent - *lane.reference > kJoin;
    if (joined) lane.awaits_join = false;
  }
  if (lane.awaits_join || header.pts < lane.last_sent - kPatience) return drop(&TwinCounters::late);
  if (lane.last_out && header.pts <= *lane.last_out) return drop(&TwinCounters::unusable);
  return true;
}

void AudioTwins::hand_on(Lane& lane, std::int64_t pts, Filled filled, std::span<const std::uint8_t> frame) {
  const bool missing = lane.last_out && pts - *lane.last_out > kFrameTicks * 3 / 2;
  const bool silent = filled == Filled::here;
  const bool breaks = lane.silent != silent;
  const bool gap = missing || (breaks && silent);
  lane.silent = silent;
  if (gap) {
    ++lane.counters.gaps;
    ++totals_.gaps;
  }
  // By the grid, so that nodes that begin at different times agree where they can.
  if (!lane.last_out) lane.packer->begin(static_cast<std::uint8_t>(pts / kFrameTicks & 0x0F));
  if (!silent) lane.delay.add(lane.last_sent - pts);
  ++lane.counters.frames;
  ++totals_.frames;
  if (filled != Filled::no) {
    ++lane.counters.filled;
    ++totals_.filled;
  }
  constexpr auto kModulus = static_cast<std::int64_t>(mpegts::kPtsModulus);
  const std::int64_t ticks = pts - lane.offset;  // of the stream's own clock
  const std::int64_t rounded = ticks >= 0 ? (ticks + 150) / 300 : -((-ticks + 150) / 300);
  const mpegts::Pts90kHz stamp{static_cast<std::uint64_t>((rounded % kModulus + kModulus) % kModulus)};
  hub::Unit unit;
  unit.track = lane.out_track;
  unit.timed = true;
  unit.random_access = mpegts::es::RandomAccess::clean;
  unit.dts = unit.pts = pts;
  unit.audio = &lane.format;
  unit.packets = lane.packer->pack(frame, stamp, gap || breaks || !lane.last_out);
  lane.last_out = pts;
  out_.on_unit(unit);
}

std::vector<SoundStatus> AudioTwins::tracks() const {
  std::vector<SoundStatus> out;
  for (const auto& lane : lanes_) {
    SoundStatus status;
    status.pid = lane->source.pid;
    status.kind = lane->source.kind;
    status.language = lane->source.language;
    if (lane->encode) status.twin = lane->pid;
    status.present = lane->present && !lane->idle;
    status.state = lane->state;
    status.since_unix_ns = lane->since_unix_ns;
    status.lag = lane->lag();
    status.counters = lane->counters;
    status.delay = lane->delay;
    status.decode_errors = lane->decode_errors;
    status.trouble = lane->trouble;
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace headgate::bridge::transcode
