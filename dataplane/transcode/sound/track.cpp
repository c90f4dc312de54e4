#include "dataplane/transcode/sound/track.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace headgate::transcode::sound {
namespace {

using mpegts::StreamKind;

constexpr std::int64_t kTick = 27'000'000;                // a second
constexpr std::int64_t kMaxTime = std::int64_t{1} << 56;  // 84 years
constexpr std::size_t kMaxPayload = 1024 * 1024;
constexpr std::uint32_t kUntimedLimit = 256;
constexpr std::int64_t kLevelTicks = kTick / 4;
constexpr std::int64_t kYieldTicks = 2 * kTick;
// dBFS; nobody calls silent what lies above it.
constexpr float kListenBelow = -60;

// Errors of time stamps, in samples at 48 kHz.
constexpr std::int64_t kSame = 8;              // 0.17 ms: what rounding makes
constexpr std::int64_t kNoJitter = 384;        // 8 ms: more is no jitter if it stays
constexpr std::int64_t kConfirm = 96;          // 2 ms
constexpr std::int64_t kJump = kRate / 25;     // is believed at once
constexpr std::int64_t kMaxFill = 10 * kRate;  // longer ones begin anew
constexpr std::int64_t kMaxOverlap = kRate;
constexpr double kFollowFrom = 12;  // 0.25 ms
constexpr double kFollowTo = 4;
constexpr double kMaxSpeed = 24;  // samples a second: 500 ppm, a hundredth of a semitone

// Where in a second the sample lies: everywhere in turn, so that what comes once a second is neither always
// heard nor never. Multiples of the golden ratio are spread evenly.
std::int64_t sampled_from(std::int64_t second, std::int64_t length) {
  constexpr double kGolden = 0.6180339887498949;
  const double turn = static_cast<double>(second) * kGolden;
  return static_cast<std::int64_t>((turn - std::floor(turn)) * static_cast<double>(kTick - length));
}

}  // namespace

void Track::begin(const job::StreamBegin& wanted) {
  // Said again and again, for a worker that takes the place of one that died.
  if (splitter_ && wanted.codec == wanted_.codec && wanted.encode == wanted_.encode &&
      wanted.sampled_ms == wanted_.sampled_ms) {
    return;
  }
  if (wanted_.encode != 0 && wanted.encode == 0) finish();
  wanted_ = wanted;
  const auto kind = static_cast<StreamKind>(wanted.codec);
  splitter_.reset();
  decoder_.reset();
  codec_.clear();
  base_.reset();
  missing_ = true;
  errors_ = reported_errors_ = 0;
  frames_since_ = packets_since_ = 0;
  yielded_.reset();
  if (!mpegts::is_audio(kind)) {
    trouble("it is no sound that can be decoded");
    return;
  }
  splitter_.emplace(kind);
}

void Track::finish() {
  if (writer_.begun() && !missing_ && !discontinuity_) {
    for (auto& plane : resampled_) plane.clear();
    resampler_.drain(resampled_);
    writer_.append(resampled_, resampled_[0].size());
  }
  writer_.finish();
}

void Track::missing() {
  missing_ = true;
  base_.reset();
  if (splitter_) splitter_->reset();
  if (decoder_) decoder_->flush();
}

void Track::on_packet(const ring::MessageHeader& header, std::span<const std::uint8_t> payload) {
  if (!splitter_) return;
  ++packet_;
  if ((header.flags & (job::kLoss | job::kDiscontinuity | ring::kMessageLoss)) != 0) missing();
  if ((header.flags & (job::kLoss | ring::kMessageLoss)) != 0) missing_flag_ = true;
  if ((header.flags & job::kDiscontinuity) != 0) discontinuity_ = true;
  if (payload.size() > kMaxPayload) {
    ++errors_;
    missing();
    return;
  }
  Time time;
  if ((header.flags & job::kUntimed) == 0 && std::abs(header.pts / 2) < kMaxTime / 2) time = header.pts;
  ++packets_since_;
  const auto& frames = splitter_->on_payload(payload);
  for (const SoundFrame& frame : frames) {
    const Time from = frame.starts_before ? base_ : time;
    on_frame(frame, from ? Time(*from + frame.offset) : std::nullopt);
  }
  if (time || !frames.empty()) base_ = time;
  if (time) {
    watch_yield(*time);
  } else if (!yielded_ && packets_since_ > kUntimedLimit) {
    trouble("none of its packets has a time stamp");
  }
}

void Track::on_frame(const SoundFrame& frame, Time time) {
  timed_ = time.has_value();
  if (timed_) cursor_ = *time;
  ++frames_since_;
  bool only_primes = false;
  if (wanted_now(frame.duration, only_primes) && have_decoder()) {
    if (time && wanted_.encode != 0) reconcile(*time, frame.duration);
    const bool good = decoder_->decode(frame.data, [&](const Sound& sound) { on_sound(sound, only_primes); });
    if (!good) {
      ++errors_;
      missing_ = true;
    }
  }
  cursor_ += frame.duration;
  report_levels();
}

// Of each second so many ms, and what a decoder needs before them. All of it while nothing is heard: a beep a
// second would never fall into them.
bool Track::wanted_now(std::int64_t duration, bool& only_primes) {
  if (wanted_.encode != 0 || wanted_.sampled_ms == 0 || wanted_.sampled_ms >= 1000 || listens_) return true;
  const std::int64_t phase = (cursor_ % kTick + kTick) % kTick;
  const std::int64_t second = (cursor_ - phase) / kTick, length = wanted_.sampled_ms * (kTick / 1000);
  const std::int64_t into = phase - sampled_from(second, length);
  if (into >= 0 && into < length) return true;
  // What is left until the next one.
  const std::int64_t left = into < 0 ? -into : kTick - phase + sampled_from(second + 1, length);
  // Layer III: a frame's data may have begun two frames before.
  const int primes = splitter_->codec() == "mp4a.40.34" ? 3 : 1;
  only_primes = true;
  return primes * duration + duration / 2 >= left;
}

bool Track::have_decoder() {
  if (codec_ == splitter_->codec()) return decoder_ != nullptr;
  codec_ = splitter_->codec();
  decoder_ = Decoder::open(codec_);
  if (decoder_ == nullptr) trouble("there is no decoder for " + codec_);
  return decoder_ != nullptr;
}

// The next sample that is made belongs to `time`: is that where it comes to stand?
void Track::reconcile(std::int64_t time, std::int64_t duration) {
  const std::int64_t sample = sample_at(time);
  if (!writer_.begun()) return;  // begun by the first sound
  const std::int64_t error = sample - (writer_.position() + resampler_.held());
  if (discontinuity_ || missing_ || std::abs(error) > kJump) {
    place(sample);
    return;
  }
  const std::int64_t frame = std::max<std::int64_t>(sample_at(duration), 1);
  const std::int64_t beside = std::abs(error - (error + frame / 2) / frame * frame);
  if (error > frame / 2 && beside <= 2 * kSame) {  // frames that never came
    place(sample);
    return;
  }
  if (std::abs(error) > kNoJitter) {
    if (suspect_ != 0 && suspect_packet_ != packet_ && std::abs(error - suspect_) <= kConfirm) {
      place(sample);
    } else if (suspect_ == 0 || suspect_packet_ != packet_) {
      suspect_ = error;
      suspect_packet_ = packet_;
    }
    return;
  }
  suspect_ = 0;
  follow_drift(error, duration);
}

void Track::place(std::int64_t sample) {
  for (auto& plane : resampled_) plane.clear();
  resampler_.drain(resampled_);
  writer_.append(resampled_, resampled_[0].size());
  const std::int64_t error = sample - writer_.position();
  if (discontinuity_ || error > kMaxFill || error < -kMaxOverlap) {
    writer_.begin(sample, job::kDiscontinuity | (missing_flag_ || !discontinuity_ ? job::kLoss : 0U));
  } else if (error > kSame) {
    writer_.silence(error);
  } else if (error < -kSame) {
    writer_.pass_over(-error);
  }
  discontinuity_ = missing_ = missing_flag_ = false;
  suspect_ = 0;
  drift_ = 0;
  following_ = false;
  next_speed_ = 0;
}

void Track::follow_drift(std::int64_t error, std::int64_t duration) {
  const double seconds = static_cast<double>(duration) / static_cast<double>(kTick);
  drift_ += (static_cast<double>(error) - drift_) * std::min(1.0, seconds / 0.5);
  const std::int64_t position = writer_.position();
  if (next_speed_ == 0) next_speed_ = position + kRate;
  if (position < next_speed_) return;
  next_speed_ = position + kRate;
  if (!following_ && std::abs(drift_) < kFollowFrom) return;
  following_ = true;
  const double speed = std::abs(drift_) < kFollowTo ? 0 : std::clamp(drift_, -kMaxSpeed, kMaxSpeed);
  resampler_.set_speed(static_cast<int>(std::lround(speed)));
}

void Track::on_sound(const Sound& sound, bool only_primes) {
  if (!trouble_.empty()) trouble("");
  frames_since_ = packets_since_ = 0;
  yielded_ = cursor_;
  if (only_primes) return;
  meter_.add(sound);
  if (wanted_.encode != 0) encode(sound);
}

// What has no place yet is left out; the next time stamp tells how much that was.
void Track::encode(const Sound& sound) {
  if (!adapt(sound)) return;
  if (!writer_.begun()) {
    if (!timed_) return;
    writer_.begin(sample_at(cursor_), job::kDiscontinuity | (missing_flag_ ? job::kLoss : 0U));
    discontinuity_ = missing_ = missing_flag_ = false;
  }
  if (missing_ || discontinuity_) return;
  const auto& mixed = downmix_.mix(sound, writer_.channels());
  for (auto& plane : resampled_) plane.clear();
  resampler_.convert(mixed, static_cast<std::size_t>(sound.samples), resampled_);
  writer_.append(resampled_, resampled_[0].size());
}

// Two channels once two were seen.
bool Track::adapt(const Sound& sound) {
  const int channels = std::max(writer_.channels(), Downmix::channels_of(sound));
  if (resampler_.rate() == sound.rate && resampler_.channels() == channels && writer_.channels() == channels)
    return true;
  if (writer_.begun()) {
    for (auto& plane : resampled_) plane.clear();
    resampler_.drain(resampled_);
    writer_.append(resampled_, resampled_[0].size());
  }
  if (!writer_.set_channels(channels) || !resampler_.begin(sound.rate, channels)) {
    trouble("libavcodec has no AAC encoder, or libswresample refuses " + std::to_string(sound.rate) + " Hz");
    return false;
  }
  return true;
}

void Track::report_levels() {
  const std::int64_t slot = cursor_ / kLevelTicks;
  if (slot == level_slot_) return;
  const bool first = level_slot_ == INT64_MIN;
  level_slot_ = slot;
  if (first || (meter_.samples() == 0 && errors_ == reported_errors_)) return;
  job::SoundLevels levels = meter_.take();
  listens_ = levels.samples > 0 && levels.rms_dbfs < kListenBelow;
  levels.decode_errors = reported_errors_ = errors_;
  ring::MessageHeader header;
  header.stream = stream_;
  header.pts = header.dts = cursor_;
  output_.send(job::Message::levels, header, job::bytes_of(levels));
}

void Track::watch_yield(std::int64_t now) {
  if (!yielded_ || *yielded_ > now + kYieldTicks) yielded_ = now;
  if (now - *yielded_ < kYieldTicks || !trouble_.empty()) return;
  const std::string kind = mpegts::to_string(static_cast<StreamKind>(wanted_.codec));
  trouble(frames_since_ == 0
              ? "no frame of " + kind + " in " + std::to_string(packets_since_) +
                    " packets: they are scrambled, or not what the tables say"
              : "none of " + std::to_string(frames_since_) + " frames of " + kind + " could be decoded");
}

void Track::trouble(const std::string& text) {
  if (text == trouble_) return;
  trouble_ = text;
  ring::MessageHeader header;
  header.stream = stream_;
  header.pts = header.dts = cursor_;
  output_.send(job::Message::trouble, header,
               {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

}  // namespace headgate::transcode::sound
