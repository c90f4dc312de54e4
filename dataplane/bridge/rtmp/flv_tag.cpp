#include "dataplane/bridge/rtmp/flv_tag.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "dataplane/bridge/rtmp/flv_codes.h"

namespace headgate::bridge::rtmp {
namespace {

constexpr std::size_t kMostTracks = 256;  // as many as there are numbers for

// Reads from the front; past the end it gives zeros and ok() turns false.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  unsigned u(std::size_t count) {
    unsigned value = 0;
    for (const std::uint8_t byte : take(count)) value = value << 8 | byte;
    return value;
  }
  std::span<const std::uint8_t> take(std::size_t count) {
    if (bytes_.size() < count) {
      ok_ = false;
      bytes_ = {};
      return {};
    }
    const auto out = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return out;
  }
  std::span<const std::uint8_t> rest() const { return bytes_; }
  bool at_end() const { return bytes_.empty(); }
  bool ok() const { return ok_; }

 private:
  std::span<const std::uint8_t> bytes_;
  bool ok_ = true;
};

std::string text_of(std::span<const std::uint8_t> four_cc) {
  std::string out;
  for (const std::uint8_t c : four_cc) out += c > ' ' && c <= '~' ? static_cast<char>(c) : '?';
  return out;
}

Codec video_codec(std::string_view four_cc) {
  if (four_cc == "avc1") return Codec::h264;
  return four_cc == "hvc1" ? Codec::hevc : Codec::none;
}

Codec audio_codec(std::string_view four_cc) {
  if (four_cc == "mp4a") return Codec::aac;
  if (four_cc == ".mp3") return Codec::mp3;
  if (four_cc == "ac-3") return Codec::ac3;
  return four_cc == "ec-3" ? Codec::eac3 : Codec::none;
}

std::int32_t signed24(unsigned value) {
  return value >= 0x80'0000 ? static_cast<std::int32_t>(value) - 0x100'0000
                            : static_cast<std::int32_t>(value);
}

// The modifiers in front of the packet type proper.
unsigned read_mod_ex(Reader& r, unsigned packet_type, Tag& tag) {
  while (packet_type == flv::kModEx && r.ok()) {
    std::size_t size = r.u(1) + 1;
    if (size == 256) size = r.u(2) + 1;
    Reader data(r.take(size));
    const unsigned next = r.u(1);
    if (next >> 4 == flv::kNanosecondOffset && size >= 3) tag.nanoseconds = std::min(data.u(3), 999'999U);
    packet_type = next & 0x0F;
  }
  return packet_type;
}

// Behind packet type and FourCC.
void read_video_media(Reader r, unsigned packet_type, Tag& tag) {
  if (packet_type == flv::kSequenceStart) {
    tag.kind = TagKind::configuration;
  } else if (packet_type == flv::kCodedFrames || packet_type == flv::kCodedFramesX) {
    tag.kind = TagKind::frame;
    const bool composed = tag.codec == Codec::h264 || tag.codec == Codec::hevc || tag.name == "vvc1";
    if (packet_type == flv::kCodedFrames && composed) tag.composition_ms = signed24(r.u(3));
  }
  tag.data = r.rest();
}

void read_audio_media(Reader r, unsigned packet_type, Tag& tag) {
  if (packet_type == flv::kSequenceStart) tag.kind = TagKind::configuration;
  if (packet_type == flv::kCodedFrames) tag.kind = TagKind::frame;
  tag.data = r.rest();
}

// Tracks one behind another; only track 0 is taken.
template <typename CodecOf, typename Read>
bool read_tracks(Reader& r, Tag& tag, CodecOf codec_of, Read read_media) {
  const unsigned head = r.u(1);
  const unsigned type = head >> 4, packet_type = head & 0x0F;
  std::string name;
  if (type != flv::kManyTracksManyCodecs) name = text_of(r.take(4));
  bool found = false;
  do {
    if (type == flv::kManyTracksManyCodecs) name = text_of(r.take(4));
    const unsigned id = r.u(1);
    const auto media = type == flv::kOneTrack ? r.take(r.rest().size()) : r.take(r.u(3));
    if (!r.ok() || tag.other_tracks.size() >= kMostTracks) return false;
    if (id != 0) {
      tag.other_tracks.push_back(static_cast<std::uint8_t>(id));
    } else if (!found) {
      found = true;
      tag.name = name;
      tag.codec = codec_of(name);
      read_media(Reader(media), packet_type, tag);
    }
  } while (!r.at_end());
  return true;
}

std::optional<Tag> parse_enhanced_video(Reader r, unsigned first) {
  Tag tag;
  const unsigned frame_type = first >> 4 & 7;
  tag.key = frame_type == flv::kKeyFrame || frame_type == flv::kGeneratedKeyFrame;
  const unsigned packet_type = read_mod_ex(r, first & 0x0F, tag);
  if (!r.ok()) return std::nullopt;
  // What a frame is called means nothing for metadata, so this is looked at first.
  if (packet_type == flv::kVideoMetadata || frame_type == flv::kCommandFrame) return tag;
  if (packet_type == flv::kVideoMultitrack) {
    if (!read_tracks(r, tag, video_codec, read_video_media)) return std::nullopt;
    return tag;
  }
  tag.name = text_of(r.take(4));
  if (!r.ok()) return std::nullopt;
  tag.codec = video_codec(tag.name);
  const bool cut_off = packet_type == flv::kCodedFrames && tag.codec != Codec::none && r.rest().size() < 3;
  if (cut_off) return std::nullopt;
  read_video_media(r, packet_type, tag);
  return tag;
}

std::optional<Tag> parse_enhanced_audio(Reader r, unsigned first) {
  Tag tag;
  tag.key = true;
  const unsigned packet_type = read_mod_ex(r, first & 0x0F, tag);
  if (!r.ok()) return std::nullopt;
  if (packet_type == flv::kAudioMultitrack) {
    if (!read_tracks(r, tag, audio_codec, read_audio_media)) return std::nullopt;
    return tag;
  }
  tag.name = text_of(r.take(4));
  if (!r.ok()) return std::nullopt;
  tag.codec = audio_codec(tag.name);
  read_audio_media(r, packet_type, tag);
  return tag;
}

// E.4.3.1, CodecID.
std::string old_video_name(unsigned id) {
  constexpr std::array<std::string_view, 8> kNames{"",    "",          "Sorenson H.263", "screen video",
                                                   "VP6", "VP6 alpha", "screen video 2", "H.264"};
  if (id < kNames.size() && !kNames[id].empty()) return std::string(kNames[id]);
  return "video codec " + std::to_string(id);
}

// E.4.2.1, SoundFormat.
std::string old_audio_name(unsigned id) {
  constexpr std::array<std::string_view, 12> kNames{
      "PCM",        "ADPCM",         "MP3",           "PCM", "Nellymoser", "Nellymoser",
      "Nellymoser", "G.711 (A-law)", "G.711 (µ-law)", "",    "AAC",        "Speex"};
  if (id < kNames.size() && !kNames[id].empty()) return std::string(kNames[id]);
  return "audio format " + std::to_string(id);
}

}  // namespace

std::optional<Tag> parse_video_tag(std::span<const std::uint8_t> body) {
  Reader r(body);
  if (body.empty()) return Tag{};
  const unsigned first = r.u(1);
  if ((first & flv::kExtendedVideo) != 0) return parse_enhanced_video(r, first);
  Tag tag;
  const unsigned frame_type = first >> 4, id = first & 0x0F;
  tag.key = frame_type == flv::kKeyFrame || frame_type == flv::kGeneratedKeyFrame;
  if (frame_type == flv::kCommandFrame) return tag;
  if (id != flv::kAvc && id != flv::kHevc) {
    tag.kind = TagKind::frame;
    tag.name = old_video_name(id);
    return tag;
  }
  tag.codec = id == flv::kAvc ? Codec::h264 : Codec::hevc;
  tag.name = id == flv::kAvc ? "avc1" : "hvc1";
  const unsigned packet_type = r.u(1);
  tag.composition_ms = signed24(r.u(3));
  if (!r.ok()) return std::nullopt;
  if (packet_type == flv::kSequenceHeader) tag.kind = TagKind::configuration;
  if (packet_type == flv::kMedia) tag.kind = TagKind::frame;
  if (tag.kind == TagKind::configuration) tag.composition_ms = 0;
  tag.data = r.rest();
  return tag;
}

std::optional<Tag> parse_audio_tag(std::span<const std::uint8_t> body) {
  Reader r(body);
  if (body.empty()) return Tag{};  // silence
  const unsigned first = r.u(1), format = first >> 4;
  if (format == flv::kExtendedAudio) return parse_enhanced_audio(r, first);
  Tag tag;
  tag.key = true;
  tag.kind = TagKind::frame;
  if (format == flv::kAac) {
    tag.codec = Codec::aac;
    tag.name = "mp4a";
    const unsigned packet_type = r.u(1);
    if (!r.ok()) return std::nullopt;
    if (packet_type != flv::kMedia)
      tag.kind = packet_type == flv::kSequenceHeader ? TagKind::configuration : TagKind::nothing;
  } else if (format == flv::kMp3 || format == flv::kMp3At8kHz) {
    tag.codec = Codec::mp3;
    tag.name = ".mp3";
  } else {
    tag.name = old_audio_name(format);
  }
  tag.data = r.rest();
  return tag;
}

}  // namespace headgate::bridge::rtmp
