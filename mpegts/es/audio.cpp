#include "mpegts/es/audio.h"

#include "mpegts/es/aac_config.h"
#include "mpegts/es/audio_header.h"

namespace headgate::mpegts::es {
namespace {

constexpr std::size_t kMaxSubstreams = 16;  // 8 independent ones of E-AC-3 with dependents; bounds the frame
constexpr std::size_t kLoasHeader = 3;

}  // namespace

struct AudioParser::Candidate {
  AudioHeader header;
  std::size_t size = 0;  // with the dependent substreams
  std::size_t substreams = 1;
  bool next_in_sight = false;  // the bytes behind were enough to tell whether a frame follows
  bool next_is_header = false;
};

AudioParser::AudioParser(StreamKind kind) : kind_(kind) {}

void AudioParser::reset() {
  skipped_ += carry_.size();
  carry_.clear();
  carry_samples_ = 0;
  locked_ = false;
}

// E-AC-3 (ETSI TS 102 366 E.1.3.1.1): the substreams up to the next independent one with number 0 are one
// frame.
void AudioParser::extend_with_dependents(Candidate& candidate, std::size_t at) const {
  const auto all = std::span<const std::uint8_t>(work_);
  while (candidate.substreams < kMaxSubstreams && at + candidate.size < all.size()) {
    const auto next = parse_audio_header(kind_, all.subspan(at + candidate.size));
    if (!next || !next->dependent) return;
    candidate.size += next->size;
    ++candidate.substreams;
  }
}

// What begins at `at`. `carried`: how many of the first bytes came with the payloads before.
AudioParser::Verdict AudioParser::examine(std::size_t at, std::size_t carried, Candidate& candidate) const {
  const auto all = std::span<const std::uint8_t>(work_);
  const std::size_t need = audio_header_size(kind_);
  if (all.size() - at < need) return Verdict::need_more;
  const auto header = parse_audio_header(kind_, all.subspan(at));
  if (!header || header->dependent) return Verdict::no_frame;
  // Inside a locked stream what differs is a chance sync, or a change, which has to prove itself by its
  // second header.
  const bool known = locked_ && header->signature == signature_;
  candidate.header = *header;
  candidate.size = header->size;
  extend_with_dependents(candidate, at);
  const std::size_t end = at + candidate.size;
  if (end > all.size()) return Verdict::need_more;
  if (all.size() - end >= need) {
    const auto next = parse_audio_header(kind_, all.subspan(end));
    candidate.next_in_sight = true;
    candidate.next_is_header = next && next->signature == header->signature;
  }
  if (candidate.next_is_header) return Verdict::frame;
  if (candidate.next_in_sight) {
    // Padding or a change may follow a frame that is whole; one put together of two payloads may have a loss
    // inside.
    return known && at >= carried ? Verdict::frame : Verdict::no_frame;
  }
  // E-AC-3: dependents of this frame may come with the next payload, unless it has as many as the one before.
  if (end == all.size()) {
    const bool whole = candidate.substreams >= substreams_;
    return whole && (known || (at == 0 && carried == 0)) ? Verdict::frame : Verdict::need_more;
  }
  return known && substreams_ == 1 && candidate.substreams == 1 && kind_ != StreamKind::eac3
             ? Verdict::frame
             : Verdict::need_more;
}

// Takes the frame's facts; false where LATM has told no configuration yet, so that nobody could decode it.
bool AudioParser::accept(const Candidate& candidate, std::size_t at) {
  AudioFormat next;
  next.kind = kind_;
  next.sample_rate = candidate.header.sample_rate;
  next.channels = candidate.header.channels;
  next.samples_per_frame = candidate.header.samples;
  next.codec = candidate.header.codec;
  if (kind_ == StreamKind::aac_latm) {
    const auto element =
        std::span<const std::uint8_t>(work_).subspan(at + kLoasHeader, candidate.size - kLoasHeader);
    const LatmElement parsed = parse_latm_element(element);
    if (!parsed.config) return parsed.same_config && format_.has_value();
    next.sample_rate = parsed.config->sample_rate;
    next.channels = parsed.config->channels;
    next.samples_per_frame = parsed.config->samples;
    next.codec = parsed.config->codec;
  } else if (next.channels == 0 && format_ && format_->sample_rate == next.sample_rate) {
    next.channels = format_->channels;  // AAC's program_config_element need not stand in every frame
  }
  if (format_ != next) format_ = std::move(next);
  return true;
}

std::vector<AudioFrame> AudioParser::on_payload(std::span<const std::uint8_t> payload) {
  std::vector<AudioFrame> frames;
  const std::size_t carried = carry_.size();
  work_.assign(carry_.begin(), carry_.end());
  work_.insert(work_.end(), payload.begin(), payload.end());
  carry_.clear();
  std::size_t at = 0;
  std::uint64_t samples = 0;
  while (at < work_.size()) {
    Candidate candidate;
    const Verdict verdict = examine(at, carried, candidate);
    if (verdict == Verdict::need_more) break;
    if (verdict == Verdict::no_frame) {
      ++at;
      ++skipped_;
      locked_ = false;
      continue;
    }
    if (!accept(candidate, at)) {
      skipped_ += candidate.size;
      at += candidate.size;
      continue;
    }
    locked_ = true;
    signature_ = candidate.header.signature;
    substreams_ = candidate.substreams;
    AudioFrame frame;
    frame.data = std::span<const std::uint8_t>(work_).subspan(at, candidate.size);
    frame.starts_before = at < carried;
    std::uint64_t& offset = frame.starts_before ? carry_samples_ : samples;
    frame.sample_offset = offset;
    offset += format_->samples_per_frame;
    frames.push_back(frame);
    at += candidate.size;
  }
  if (at >= carried) carry_samples_ = samples;
  carry_.assign(work_.begin() + static_cast<std::ptrdiff_t>(at), work_.end());
  return frames;
}

}  // namespace headgate::mpegts::es
