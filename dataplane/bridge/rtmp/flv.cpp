#include "dataplane/bridge/rtmp/flv.h"

#include <fmt/format.h>

#include <algorithm>

#include "dataplane/bridge/rtmp/amf0.h"
#include "dataplane/bridge/rtmp/flv_codes.h"

namespace headgate::bridge::rtmp {
namespace {

using mpegts::StreamKind;

constexpr std::int64_t kCompositionMin = -0x80'0000;
constexpr std::int64_t kCompositionMax = 0x7F'FFFF;

std::string_view four_cc(Codec codec) {
  switch (codec) {
    case Codec::hevc:
      return "hvc1";
    case Codec::ac3:
      return "ac-3";
    case Codec::eac3:
      return "ec-3";
    default:
      return "";
  }
}

// As onMetaData names a codec: the FLV number, or the FourCC as a number.
double codec_id(Codec codec) {
  switch (codec) {
    case Codec::h264:
      return flv::kAvc;
    case Codec::aac:
      return flv::kAac;
    case Codec::mp3:
      return flv::kMp3;
    default: {
      std::uint32_t id = 0;
      for (const char c : four_cc(codec)) id = id << 8 | static_cast<std::uint8_t>(c);
      return id;
    }
  }
}

struct HeadWriter {
  TagHead head;
  HeadWriter& byte(unsigned value) {
    head.bytes[head.size++] = static_cast<std::uint8_t>(value);
    return *this;
  }
  HeadWriter& text(std::string_view value) {
    for (const char c : value) byte(static_cast<std::uint8_t>(c));
    return *this;
  }
  HeadWriter& composition(std::int64_t ms) {
    const auto value = static_cast<std::uint32_t>(std::clamp(ms, kCompositionMin, kCompositionMax));
    return byte(value >> 16 & 0xFF).byte(value >> 8 & 0xFF).byte(value & 0xFF);
  }
};

// Rate, size and channels of the sound (E.4.2.1): AAC always says 44 kHz stereo.
unsigned sound_byte(Codec codec, const mpegts::es::AudioFormat& format) {
  if (codec == Codec::aac) return flv::kAac << 4 | 0x0FU;
  const unsigned rate = format.sample_rate >= 44100 ? 3 : format.sample_rate >= 22050 ? 2 : 1;
  return flv::kMp3 << 4 | rate << 2 | 2U | (format.channels >= 2 ? 1U : 0U);
}

bool configured(const hub::FrameTrack& track) { return !track.configuration.empty(); }

using Place = std::optional<std::uint8_t>;

const hub::FrameTrack* original_of(const hub::FrameTrack& twin, const hub::FrameFormat& format) {
  for (const hub::FrameTrack& track : format.tracks) {
    if (twin.twin_of && track.pid == *twin.twin_of) return &track;
  }
  return nullptr;
}

// The first sound for which `fits`.
template <typename Fits>
Place first_sound(const hub::FrameFormat& format, Fits&& fits) {
  for (std::size_t i = 0; i < format.tracks.size() && i < 256; ++i) {
    if (format.tracks[i].audio && fits(format.tracks[i])) return static_cast<std::uint8_t>(i);
  }
  return std::nullopt;
}

// What the format has of one language: AAC or MP3 as it is, else AAC made of another.
Place plain_or_twin(const hub::FrameFormat& format, const std::string* language) {
  const auto speaks = [&](const hub::FrameTrack& t) { return language == nullptr || t.language == *language; };
  for (const Codec codec : {Codec::aac, Codec::mp3}) {
    const Place plain = first_sound(
        format, [&](const auto& t) { return !t.twin_of && codec_of(t) == codec && speaks(t); });
    if (plain) return plain;
  }
  return first_sound(format,
                     [&](const auto& t) { return t.twin_of && codec_of(t) == Codec::aac && speaks(t); });
}

Place choose_sound(const hub::FrameFormat& format, const Codecs& codecs) {
  const Place first = first_sound(format, [](const auto&) { return true; });
  if (!first) return first;
  Place found = plain_or_twin(format, &format.tracks[*first].language);
  if (!found) found = plain_or_twin(format, nullptr);
  if (!found)
    return first_sound(format, [&](const auto& t) { return takes(codecs, codec_of(t)); });
  const hub::FrameTrack& track = format.tracks[*found];
  if (const hub::FrameTrack* original = original_of(track, format)) {
    const Codec codec = codec_of(*original);
    const bool takes_it = codecs.listed && is_enhanced(codec) && takes(codecs, codec);
    return takes_it ? static_cast<std::uint8_t>(original - format.tracks.data()) : *found;
  }
  if (track.kind != StreamKind::aac_adts) return found;
  const Place twin = first_sound(format, [&](const auto& t) { return t.twin_of == track.pid; });
  return twin ? twin : found;
}

// Why a sound that could go, or of which AAC could, is not the one that goes.
std::string other_sound(const hub::FrameTrack& track, const hub::FrameTrack* taken) {
  if (taken != nullptr && track.twin_of == taken->pid) return "RTMP carries one sound, and its original goes";
  return "RTMP carries one video and one sound, and another was taken";
}

std::vector<std::uint8_t> metadata_of(const Carriage& c, const hub::FrameFormat& format) {
  Amf0Writer writer;
  std::uint32_t count = 1;
  if (c.video_track) count += 4;
  if (c.audio_track) count += 4;
  writer.string("onMetaData").ecma_array(count);
  if (c.video_track) {
    const auto& video = *format.tracks[*c.video_track].video;
    writer.key("width").number(video.width).key("height").number(video.height);
    if (video.frame_rate_den != 0)
      writer.key("framerate").number(static_cast<double>(video.frame_rate_num) / video.frame_rate_den);
    writer.key("videocodecid").number(codec_id(c.video));
  }
  if (c.audio_track) {
    writer.key("audiocodecid").number(codec_id(c.audio));
    writer.key("audiosamplerate").number(c.audio_format.sample_rate);
    writer.key("audiochannels").number(c.audio_format.channels);
    writer.key("stereo").boolean(c.audio_format.channels >= 2);
  }
  writer.key("encoder").string("Headgate").end();
  return writer.take();
}

}  // namespace

Codec codec_of(const hub::FrameTrack& track) {
  switch (track.kind) {
    case StreamKind::h264:
      return track.video && configured(track) ? Codec::h264 : Codec::none;
    case StreamKind::hevc:
      return track.video && configured(track) ? Codec::hevc : Codec::none;
    case StreamKind::aac_adts:
    case StreamKind::aac_latm:
      return track.audio && configured(track) ? Codec::aac : Codec::none;
    case StreamKind::mpeg_audio:
      // FLV's MP3 is layer III alone; 5.5, 11 and 22 kHz of MPEG-2 fit, as do all of MPEG-1 by their own
      // headers.
      return track.audio && track.audio->codec == "mp4a.40.34" ? Codec::mp3 : Codec::none;
    case StreamKind::ac3:
      return track.audio ? Codec::ac3 : Codec::none;
    case StreamKind::eac3:
      return track.audio ? Codec::eac3 : Codec::none;
    default:
      return Codec::none;
  }
}

std::string why_not_carried(const hub::FrameTrack& track) {
  if (track.kind == StreamKind::mpeg_audio) return "RTMP has no MPEG audio layer I and II, only layer III";
  if (track.kind == StreamKind::mpeg2_video) return "RTMP has no MPEG-2 video";
  const bool known = track.kind == StreamKind::h264 || track.kind == StreamKind::hevc ||
                     track.kind == StreamKind::aac_adts || track.kind == StreamKind::aac_latm;
  if (known) return "its parameters have not been seen yet";
  return fmt::format("RTMP has no {}", mpegts::to_string(track.kind));
}

TagHead video_head(Codec codec, bool key, std::int64_t composition_ms) {
  const unsigned frame_type = key ? flv::kKeyFrame : flv::kInterFrame;
  HeadWriter writer;
  if (codec == Codec::hevc) {
    writer.byte(flv::kExtendedVideo | frame_type << 4 | flv::kCodedFrames).text(four_cc(codec));
  } else {
    writer.byte(frame_type << 4 | flv::kAvc).byte(flv::kMedia);
  }
  return writer.composition(composition_ms).head;
}

TagHead audio_head(Codec codec, const mpegts::es::AudioFormat& format) {
  HeadWriter writer;
  if (is_enhanced(codec))
    return writer.byte(flv::kExtendedAudio << 4 | flv::kCodedFrames).text(four_cc(codec)).head;
  writer.byte(sound_byte(codec, format));
  if (codec == Codec::aac) writer.byte(flv::kMedia);
  return writer.head;
}

std::vector<std::uint8_t> sequence_header(Codec codec, std::span<const std::uint8_t> configuration) {
  HeadWriter writer;
  if (codec == Codec::h264) {
    writer.byte(flv::kKeyFrame << 4 | flv::kAvc).byte(flv::kSequenceHeader).composition(0);
  } else if (codec == Codec::hevc) {
    writer.byte(flv::kExtendedVideo | flv::kKeyFrame << 4 | flv::kSequenceStart).text(four_cc(codec));
  } else if (codec == Codec::aac) {
    writer.byte(sound_byte(codec, {})).byte(flv::kSequenceHeader);
  } else {
    return {};
  }
  std::vector<std::uint8_t> out(writer.head.span().begin(), writer.head.span().end());
  out.insert(out.end(), configuration.begin(), configuration.end());
  return out;
}

std::vector<std::uint8_t> sequence_end(Codec codec) {
  HeadWriter writer;
  if (codec == Codec::h264) {
    writer.byte(flv::kKeyFrame << 4 | flv::kAvc).byte(flv::kEndOfSequence).composition(0);
  } else if (codec == Codec::hevc) {
    writer.byte(flv::kExtendedVideo | flv::kKeyFrame << 4 | flv::kSequenceEnd).text(four_cc(codec));
  }
  return {writer.head.span().begin(), writer.head.span().end()};
}

bool takes(const Codecs& codecs, Codec codec) {
  switch (codec) {
    case Codec::none:
      return false;
    case Codec::hevc:
      return codecs.hvc1;
    case Codec::ac3:
      return codecs.ac3;
    case Codec::eac3:
      return codecs.eac3;
    default:
      return true;
  }
}

std::shared_ptr<const Carriage> choose(const hub::FrameFormat& format, const Codecs& codecs) {
  auto c = std::make_shared<Carriage>();
  for (std::size_t i = 0; i < format.tracks.size() && i < 256 && !c->video_track; ++i) {
    const Codec codec = codec_of(format.tracks[i]);
    if ((codec != Codec::h264 && codec != Codec::hevc) || !takes(codecs, codec)) continue;
    c->video_track = static_cast<std::uint8_t>(i);
    c->video = codec;
  }
  c->audio_track = choose_sound(format, codecs);
  const hub::FrameTrack* sound = c->audio_track ? &format.tracks[*c->audio_track] : nullptr;
  if (sound != nullptr) c->audio = codec_of(*sound);
  for (std::size_t i = 0; i < format.tracks.size() && i < 256; ++i) {
    if (c->video_track == i || c->audio_track == i) continue;
    const hub::FrameTrack& track = format.tracks[i];
    const Codec codec = codec_of(track);
    std::string reason = other_sound(track, sound);
    if (codec == Codec::none) {
      reason = why_not_carried(track);
    } else if (!takes(codecs, codec)) {
      reason = fmt::format("the server names what it takes of Enhanced RTMP, and {} ({}) is not among it",
                           mpegts::to_string(track.kind), four_cc(codec));
    }
    if (sound != nullptr && sound->twin_of == track.pid) {
      reason = codec == Codec::none || !takes(codecs, codec) ? reason + "; AAC made of it goes instead"
                                                             : "AAC made of it goes instead";
    }
    hub::Track left;
    left.pid = track.pid;
    left.kind = track.kind;
    left.language = track.language;
    left.reason = reason;
    c->left_out.push_back({std::move(left), std::move(reason)});
  }
  if (c->video_track)
    c->video_header = sequence_header(c->video, format.tracks[*c->video_track].configuration);
  if (c->audio_track) {
    c->audio_format = *format.tracks[*c->audio_track].audio;
    c->audio_header = sequence_header(c->audio, format.tracks[*c->audio_track].configuration);
  }
  c->metadata = metadata_of(*c, format);
  return c;
}

}  // namespace headgate::bridge::rtmp
