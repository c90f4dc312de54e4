#include "dataplane/bridge/rtmp/flv_reader.h"

#include <algorithm>
#include <utility>

#include "dataplane/bridge/net/text.h"
#include "dataplane/bridge/rtmp/amf0.h"
#include "dataplane/bridge/rtmp/bytes.h"
#include "mpegts/es/aac_config.h"
#include "mpegts/es/audio_header.h"

namespace headgate::bridge::rtmp {
namespace {

using mpegts::StreamKind;
using Bytes = std::span<const std::uint8_t>;
using Nals = std::vector<Bytes>;

constexpr std::int64_t kTicksPerMs = mpegts::kTicksPerSecond / 1000;
constexpr std::size_t kLongestFlvString = 100;
// Further from decoding to presentation than any encoder reorders.
constexpr std::int32_t kLargestComposition = 10'000;
// A source whose times go on by leaps of three weeks would leave the range of its ticks: there it begins
// anew.
constexpr std::int64_t kFarthestMs = std::int64_t{1} << 40;  // 34 years
// The tracks have no PIDs of their own here; status shows these.
constexpr mpegts::Pid kVideoPid{0x100}, kAudioPid{0x101};

StreamKind kind_of(Codec codec) {
  switch (codec) {
    case Codec::h264:
      return StreamKind::h264;
    case Codec::hevc:
      return StreamKind::hevc;
    case Codec::aac:
      return StreamKind::aac_adts;
    case Codec::mp3:
      return StreamKind::mpeg_audio;
    case Codec::ac3:
      return StreamKind::ac3;
    case Codec::eac3:
      return StreamKind::eac3;
    default:
      return StreamKind::unknown;
  }
}

// `count` NAL units, each behind 16 bits of length (5.3.3.1, 8.3.3.1). False: they end too early.
bool read_sets(Bytes& rest, unsigned count, Nals& out) {
  for (; count > 0; --count) {
    if (rest.size() < 2 || rest.size() - 2 < read16(rest)) return false;
    const auto nal = rest.subspan(2, read16(rest));
    rest = rest.subspan(2 + nal.size());
    if (!nal.empty()) out.push_back(nal);
  }
  return true;
}

struct VideoHeader {
  Nals sets;
  std::size_t length_size = 4;
};

std::optional<VideoHeader> read_avcc(Bytes b) {
  VideoHeader header;
  if (b.size() < 7 || b[0] != 1) return std::nullopt;
  header.length_size = (b[4] & 3U) + 1;
  Bytes rest = b.subspan(6);
  if (!read_sets(rest, b[5] & 0x1FU, header.sets) || rest.empty()) return std::nullopt;
  const unsigned pps = rest[0];
  rest = rest.subspan(1);
  if (!read_sets(rest, pps, header.sets)) return std::nullopt;
  return header;
}

std::optional<VideoHeader> read_hvcc(Bytes b) {
  VideoHeader header;
  if (b.size() < 23) return std::nullopt;
  header.length_size = (b[21] & 3U) + 1;
  Bytes rest = b.subspan(23);
  for (unsigned arrays = b[22]; arrays > 0; --arrays) {
    if (rest.size() < 3) return std::nullopt;
    const unsigned count = read16(rest.subspan(1));
    rest = rest.subspan(3);
    if (!read_sets(rest, count, header.sets)) return std::nullopt;
  }
  return header;
}

// NAL units behind lengths. Nothing: a length leaves the frame, or there are too many.
std::optional<Nals> split_nals(Bytes data, std::size_t length_size) {
  Nals out;
  while (!data.empty()) {
    if (data.size() < length_size) return std::nullopt;
    std::size_t size = 0;
    for (std::size_t i = 0; i < length_size; ++i) size = size << 8 | data[i];
    data = data.subspan(length_size);
    if (data.size() < size) return std::nullopt;
    if (size > 0 && out.size() >= FlvReader::kMaxNals) return std::nullopt;
    if (size > 0) out.push_back(data.first(size));
    data = data.subspan(size);
  }
  return out;
}

// An instantaneous refresh or other random access picture, whatever the tag calls it.
bool is_refresh(StreamKind kind, Bytes nal) {
  if (kind == StreamKind::h264) return (nal[0] & 0x1F) == 5;
  const unsigned type = nal[0] >> 1 & 0x3F;
  return type >= 16 && type <= 21;
}

std::optional<mpegts::es::VideoFormat> video_format(StreamKind kind, const Nals& sets) {
  std::vector<std::uint8_t> stream;
  for (const Bytes nal : sets) {
    stream.insert(stream.end(), {0, 0, 0, 1});
    stream.insert(stream.end(), nal.begin(), nal.end());
  }
  mpegts::es::VideoParser parser(kind);
  parser.inspect_start(stream);
  return parser.format();
}

// The AudioSpecificConfig behind a StreamMuxConfig of one program with one layer, whose fields before it are
// 16 bits long (ISO/IEC 14496-3 1.7.3).
std::optional<mpegts::es::AudioFormat> aac_format(Bytes configuration) {
  std::vector<std::uint8_t> element{0x20, 0x00};
  element.insert(element.end(), configuration.begin(), configuration.end());
  const auto latm = mpegts::es::parse_latm_element(element);
  if (!latm.config) return std::nullopt;
  return mpegts::es::AudioFormat{StreamKind::aac_adts, latm.config->sample_rate, latm.config->channels,
                                 latm.config->samples, latm.config->codec};
}

std::int64_t duration_of(std::uint32_t samples, std::uint32_t rate) {
  return rate == 0 ? 0 : std::int64_t{samples} * mpegts::kTicksPerSecond / rate;
}

std::shared_ptr<hub::Frame> make_frame(std::int64_t dts, Bytes data) {
  auto frame = std::make_shared<hub::Frame>();
  frame->random_access = true;
  frame->dts = frame->pts = dts;
  frame->data.assign(data.begin(), data.end());
  return frame;
}

}  // namespace

std::size_t FlvReader::on_message(const Message& message) {
  units_ = 0;
  if (static_cast<MessageType>(message.type) == MessageType::aggregate) {
    on_aggregate(message);
  } else {
    take(message.type, message.timestamp, message.body);
  }
  return std::max<std::size_t>(units_, 1);
}

bool FlvReader::one_more() { return ++units_ <= kMaxUnits; }

void FlvReader::take(std::uint8_t type, std::uint32_t timestamp, Bytes body) {
  switch (static_cast<MessageType>(type)) {
    case MessageType::video:
      return on_video(timestamp, body);
    case MessageType::audio:
      return on_audio(timestamp, body);
    case MessageType::data_amf0:
      return on_data(body, false);
    case MessageType::data_amf3:
      return on_data(body, true);
    default:
      return;
  }
}

// 7.1.6: tags of FLV, each with its length behind it; the first one's time is the message's.
void FlvReader::on_aggregate(const Message& message) {
  constexpr std::size_t kTagHead = 11, kBackPointer = 4;
  Bytes rest(message.body);
  std::optional<std::uint32_t> first;
  while (rest.size() >= kTagHead) {
    const std::size_t size = read24(rest.subspan(1));
    const std::uint32_t time = unsigned{rest[7]} << 24 | read24(rest.subspan(4));
    if (rest.size() - kTagHead < size || !one_more()) break;
    if (!first) first = time;
    take(rest[0] & 0x1F, message.timestamp + (time - *first), rest.subspan(kTagHead, size));
    rest = rest.subspan(std::min(rest.size(), kTagHead + size + kBackPointer));
  }
  if (!rest.empty()) ++counters_.unreadable;
}

std::int64_t FlvReader::unroll(std::uint32_t timestamp) {
  if (!time_ms_) {
    time_ms_ = timestamp;
  } else {
    *time_ms_ += static_cast<std::int32_t>(timestamp - static_cast<std::uint32_t>(*time_ms_));
    if (*time_ms_ > kFarthestMs || *time_ms_ < -kFarthestMs) time_ms_ = timestamp;
  }
  return *time_ms_ * kTicksPerMs;
}

void FlvReader::on_data(Bytes body, bool amf3) {
  if (amf3) body = body.subspan(std::min<std::size_t>(body.size(), 1));
  const auto values = parse_amf0(body);
  if (!values) {
    ++counters_.unreadable;
    return;
  }
  // "@setDataFrame", "onMetaData", {…}; the first word is missing from a server that we play.
  std::size_t at = 0;
  if (at < values->size() && (*values)[at].text == "@setDataFrame") ++at;
  if (at + 1 >= values->size() || (*values)[at].text != "onMetaData") return;
  const Amf0Value& object = (*values)[at + 1];
  encoder_ = net::printable(object.text_of("encoder"), kLongestFlvString);
  const bool video = object.find("videocodecid") != nullptr || object.find("width") != nullptr;
  const bool audio = object.find("audiocodecid") != nullptr || object.find("audiosamplerate") != nullptr;
  if (!video && !audio) return;  // it says nothing of either
  video_.expected = video;
  audio_.expected = audio;
}

void FlvReader::leave_out(StreamKind kind, std::string reason) {
  ++counters_.not_carried;
  const bool known = std::any_of(left_out_.begin(), left_out_.end(),
                                 [&](const auto& each) { return each.reason == reason; });
  if (known || left_out_.size() >= kMaxLeftOut) return;
  hub::LeftOutTrack left;
  left.track.kind = kind;
  left.track.reason = reason;
  left.reason = std::move(reason);
  left_out_.push_back(std::move(left));
}

void FlvReader::on_video(std::uint32_t timestamp, Bytes body) {
  const auto tag = parse_video_tag(body);
  if (!tag) {
    ++counters_.unreadable;
    return;
  }
  for (const std::uint8_t id : tag->other_tracks)
    leave_out(StreamKind::unknown, "video track " + std::to_string(id) + ": only track 0 is taken");
  // FFmpeg sends an empty header where it does not know the parameters yet.
  const bool empty = tag->kind == TagKind::configuration && tag->data.empty();
  if (tag->kind == TagKind::nothing || empty) return;
  if (tag->codec == Codec::none)
    return leave_out(StreamKind::unknown, "the encoder sends " + tag->name + ", which is not taken here");
  if (tag->kind == TagKind::configuration) return on_video_header(*tag);
  // Headers have often the time 0, wherever the media are.
  on_video_frame(unroll(timestamp), *tag);
}

void FlvReader::on_audio(std::uint32_t timestamp, Bytes body) {
  const auto tag = parse_audio_tag(body);
  if (!tag) {
    ++counters_.unreadable;
    return;
  }
  for (const std::uint8_t id : tag->other_tracks)
    leave_out(StreamKind::unknown, "audio track " + std::to_string(id) + ": only track 0 is taken");
  const bool empty = tag->kind == TagKind::configuration && tag->data.empty();
  if (tag->kind == TagKind::nothing || empty) return;
  if (tag->codec == Codec::none)
    return leave_out(tag->name == "Opus" ? StreamKind::opus : StreamKind::unknown,
                     "the encoder sends " + tag->name + ", which is not taken here");
  if (tag->kind == TagKind::configuration) return on_audio_header(*tag);
  on_audio_frame(unroll(timestamp), *tag);
}

void FlvReader::on_video_header(const Tag& tag) {
  if (tag.codec == video_.codec && std::ranges::equal(tag.data, video_.header)) return;
  std::optional<VideoHeader> header;
  if (tag.data.size() <= kMaxHeaderBytes)
    header = tag.codec == Codec::h264 ? read_avcc(tag.data) : read_hvcc(tag.data);
  if (!header || header->sets.empty()) {
    ++counters_.unreadable;
    return;
  }
  hub::ParameterSets fresh(kind_of(tag.codec));
  fresh.take(header->sets, true);
  if (fresh.configuration().empty()) {
    ++counters_.unreadable;
    return;
  }
  video_.codec = tag.codec;
  video_.header.assign(tag.data.begin(), tag.data.end());
  sets_ = std::move(fresh);
  length_size_ = header->length_size;
  set_video_track(header->sets);
}

void FlvReader::set_video_track(const Nals& nals) {
  const StreamKind kind = kind_of(video_.codec);
  auto format = video_format(kind, nals);
  if (!format)
    format = video_.track ? video_.track->video : mpegts::es::VideoFormat{kind, 0, 0, 0, 0, false, {}};
  hub::FrameTrack track;
  track.pid = kVideoPid;
  track.kind = kind;
  track.configuration = sets_->configuration();
  track.video = std::move(format);
  if (video_.track == track) return;
  video_.track = std::move(track);
  format_due_ = true;
}

void FlvReader::on_video_frame(std::int64_t time, const Tag& tag) {
  if (!video_.track || tag.codec != video_.codec) {
    ++counters_.unconfigured;
    return;
  }
  const auto nals = split_nals(tag.data, length_size_);
  if (!nals || tag.composition_ms > kLargestComposition || tag.composition_ms < -kLargestComposition) {
    ++counters_.unreadable;
    return;
  }
  const StreamKind kind = video_.track->kind;
  const bool key =
      tag.key || std::any_of(nals->begin(), nals->end(), [&](Bytes n) { return is_refresh(kind, n); });
  // Some encoders change their parameters inside the stream alone.
  sets_->take(*nals, key);
  if (sets_->configuration() != video_.track->configuration && !sets_->configuration().empty())
    set_video_track(*nals);
  auto frame = std::make_shared<hub::Frame>();
  frame->data = sets_->frame_of(*nals);
  if (frame->data.empty()) return;  // delimiters and parameters alone
  frame->random_access = key;
  frame->dts = time;
  // A transport stream has no picture that is shown before it is decoded (ISO/IEC 13818-1 2.7.5).
  const std::int64_t nanoseconds = std::int64_t{tag.nanoseconds} * 27 / 1000;
  frame->pts = std::max(time, time + tag.composition_ms * kTicksPerMs + nanoseconds);
  push(true, std::move(frame));
}

void FlvReader::on_audio_header(const Tag& tag) {
  // AC-3 and E-AC-3 say all of it in their frames.
  if (tag.codec != Codec::aac || (audio_.codec == Codec::aac && std::ranges::equal(tag.data, audio_.header)))
    return;
  const auto format = aac_format(tag.data);
  if (!format) {
    ++counters_.unreadable;
    return;
  }
  audio_.codec = Codec::aac;
  audio_.header.assign(tag.data.begin(), tag.data.end());
  set_audio_track(*format, tag.data);
}

void FlvReader::set_audio_track(const mpegts::es::AudioFormat& format, Bytes configuration) {
  hub::FrameTrack track;
  track.pid = kAudioPid;
  track.kind = format.kind;
  track.configuration.assign(configuration.begin(), configuration.end());
  track.audio = format;
  if (audio_.track == track) return;
  audio_.track = std::move(track);
  format_due_ = true;
}

void FlvReader::on_audio_frame(std::int64_t time, const Tag& tag) {
  if (tag.data.empty()) return;
  if (tag.codec == Codec::aac) {
    if (!audio_.track || audio_.codec != Codec::aac) {
      ++counters_.unconfigured;
      return;
    }
    auto frame = make_frame(time, tag.data);
    frame->duration = duration_of(audio_.track->audio->samples_per_frame, audio_.track->audio->sample_rate);
    return push(false, std::move(frame));
  }
  // Frames with headers of their own, mostly one a message. The dependent substreams of E-AC-3 belong to the
  // frame before them.
  const StreamKind kind = kind_of(tag.codec);
  Bytes rest = tag.data;
  while (!rest.empty()) {
    const auto header = mpegts::es::parse_audio_header(kind, rest);
    if (!header || header->size > rest.size() || !one_more()) {
      ++counters_.unreadable;
      return;
    }
    std::size_t size = header->size;
    while (kind == StreamKind::eac3 && size < rest.size()) {
      const auto next = mpegts::es::parse_audio_header(kind, rest.subspan(size));
      if (!next || !next->dependent || next->size > rest.size() - size) break;
      size += next->size;
    }
    if (tag.codec == Codec::mp3 && header->codec != "mp4a.40.34") {
      ++counters_.unreadable;
      return;
    }
    audio_.codec = tag.codec;
    set_audio_track({kind, header->sample_rate, header->channels, header->samples, header->codec}, {});
    auto frame = make_frame(time, rest.first(size));
    frame->duration = duration_of(header->samples, header->sample_rate);
    time += frame->duration;
    push(false, std::move(frame));
    rest = rest.subspan(size);
  }
}

bool FlvReader::complete() const {
  return (video_.track || !video_.expected) && (audio_.track || !audio_.expected);
}

void FlvReader::push(bool video, std::shared_ptr<hub::Frame> frame) {
  if (!holding_) return emit(video, std::move(frame));
  held_bytes_ += frame->cost();
  held_.push_back({video, std::move(frame)});
  const auto [first, last] = std::minmax_element(
      held_.begin(), held_.end(), [](const Held& a, const Held& b) { return a.frame->dts < b.frame->dts; });
  const bool enough = last->frame->dts - first->frame->dts >= kMaxHeldTime || held_bytes_ >= kMaxHeldBytes ||
                      held_.size() >= kMaxHeldFrames;
  if (complete() || enough) release();
}

void FlvReader::release() {
  holding_ = false;
  held_bytes_ = 0;
  for (const auto& [video, frame] : std::exchange(held_, {})) emit(video, frame);
}

void FlvReader::emit(bool video, std::shared_ptr<hub::Frame> frame) {
  Lane& lane = video ? video_ : audio_;
  if (lane.last_dts) {
    const std::int64_t step = frame->dts - *lane.last_dts;
    if (step < -kLargestBack || step > kLargestGap) {
      ++counters_.discontinuities;
      video_.last_dts.reset();
      audio_.last_dts.reset();
      sink_.on_discontinuity();
    } else if (step < 0) {
      frame->dts = *lane.last_dts;
      frame->pts = std::max(frame->pts, frame->dts);
    }
  }
  if (format_due_) {
    auto format = std::make_shared<hub::FrameFormat>();
    for (const Lane* each : {&video_, &audio_}) {
      if (each->track) format->tracks.push_back(*each->track);
    }
    format_ = std::move(format);
    format_due_ = false;
    sink_.on_format(format_);
  }
  lane.last_dts = frame->dts;
  frame->track = !video && video_.track ? 1 : 0;
  ++counters_.frames;
  sink_.on_frame(std::move(frame));
}

}  // namespace headgate::bridge::rtmp
