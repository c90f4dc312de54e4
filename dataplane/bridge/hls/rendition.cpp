#include "dataplane/bridge/hls/rendition.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "dataplane/bridge/hls/language.h"

namespace headgate::bridge::hls {
namespace {

using mpegts::StreamKind;

constexpr const char* kAac = "aac";
constexpr std::uint8_t kLanguageDescriptor = 0x0A;  // ISO/IEC 13818-1 2.6.18
constexpr std::uint8_t kForTheBlind = 3;            // table 2-60, audio_type
constexpr std::uint8_t kExtension = 0x7F;           // EN 300 468 6.2.18.1
constexpr std::uint8_t kSupplementaryAudio = 0x06;  // EN 300 468 6.4.11
constexpr std::uint8_t kAudioDescription = 1;       // table 149, editorial_classification

bool describes_video(const hub::Configuration* configuration, mpegts::Pid pid) {
  if (configuration == nullptr) return false;
  for (const mpegts::PmtStream& stream : configuration->pmt.streams) {
    if (stream.pid != pid) continue;
    const auto language = stream.descriptors.find(kLanguageDescriptor);
    if (language && language->size() >= 4 && (*language)[3] == kForTheBlind) return true;
    for (std::size_t i = 0; const auto body = stream.descriptors.find(kExtension, i); ++i) {
      if (body->size() >= 2 && (*body)[0] == kSupplementaryAudio &&
          ((*body)[1] >> 2 & 0x1F) == kAudioDescription)
        return true;
    }
  }
  return false;
}

// By the coding's name where no frame has been seen yet.
std::string codec_of(const TrackFormat& format) {
  if (format.audio && !format.audio->codec.empty()) return format.audio->codec;
  switch (format.track.kind) {
    case StreamKind::aac_adts:
    case StreamKind::aac_latm:
      return "mp4a.40.2";
    case StreamKind::mpeg_audio:
      return "mp4a.40.33";
    case StreamKind::ac3:
      return "ac-3";
    case StreamKind::eac3:
      return "ec-3";
    default:
      return "";
  }
}

// Of everything that a track and what is made of it have in common.
struct Sound {
  mpegts::Pid pid;
  std::uint32_t number;
  std::string title;
};

class Describer {
 public:
  Describer(const std::vector<TrackFormat>& formats, const hub::Configuration* configuration)
      : formats_(formats), configuration_(configuration) {
    for (const TrackFormat& f : formats) {
      if (mpegts::is_audio(f.track.kind) && !f.track.twin_of) add_sound(f.track);
    }
  }

  Rendition describe(const TrackFormat& f, bool main) {
    Rendition out;
    if (mpegts::is_video(f.track.kind)) {
      out.name = unique(f.track.name.empty() ? "small" : f.track.name);
      if (f.video) {
        out.variant = {f.video->codec,
                       f.video->width,
                       f.video->height,
                       f.video->frame_rate_num,
                       f.video->frame_rate_den,
                       0,
                       0};
      }
      return out;
    }
    out.group = group_of(f.track);
    const mpegts::Pid origin = f.track.twin_of.value_or(f.track.pid);
    const auto found =
        std::find_if(sounds_.begin(), sounds_.end(), [&](const Sound& s) { return s.pid == origin; });
    const Sound& sound = found != sounds_.end() ? *found : add_sound(f.track);
    // Native AAC beside AAC that was made of it.
    const bool has_twin =
        !f.track.twin_of && std::any_of(formats_.begin(), formats_.end(), [&](const TrackFormat& other) {
          return other.track.twin_of == f.track.pid;
        });
    if (has_twin && out.group == kAac) out.group = "aac-source";
    out.sound = sound.number;
    out.title = sound.title;
    const Language language = language_of(f.track.language);
    out.language = language.tag;
    out.describes_video = describes_video(configuration_, origin);
    out.channels = f.audio ? f.audio->channels : 0;
    if (configuration_ != nullptr) {
      const auto& idle = configuration_->idle_twins;
      out.offered = std::find(idle.begin(), idle.end(), f.track.pid) == idle.end();
    }
    out.variant.codecs = codec_of(f);
    if (!main) out.name = unique(out.group + "-" + (language.code.empty() ? "und" : language.code));
    return out;
  }

 private:
  const Sound& add_sound(const hub::Track& track) {
    const Language language = language_of(track.language);
    std::string title = language.name.empty() ? "Sound" : language.name;
    if (describes_video(configuration_, track.pid)) title += " (audio description)";
    // DVB sends one language in several codings: they are choices of their own.
    const unsigned count = ++titles_[title];
    if (count > 1) title += fmt::format(" {}", count);
    sounds_.push_back({track.pid, static_cast<std::uint32_t>(sounds_.size()), title});
    return sounds_.back();
  }

  std::string unique(const std::string& name) {
    const unsigned count = ++names_[name];
    return count == 1 ? name : fmt::format("{}-{}", name, count);
  }

  const std::vector<TrackFormat>& formats_;
  const hub::Configuration* configuration_;
  std::vector<Sound> sounds_;
  std::map<std::string, unsigned> titles_;
  std::map<std::string, unsigned> names_;
};

// One way to hear all sounds.
struct Group {
  std::string id;
  std::vector<const Rendition*> members;
};

const Rendition* find_sound(std::span<const Rendition> sounds, std::uint32_t sound,
                            const std::string& group) {
  const auto found = std::find_if(sounds.begin(), sounds.end(),
                                  [&](const Rendition& r) { return r.sound == sound && r.group == group; });
  return found == sounds.end() ? nullptr : &*found;
}

std::vector<Group> groups_of(std::span<const Rendition> all) {
  std::vector<Rendition const*> sounds;
  std::vector<Group> groups;
  const bool aac = std::any_of(all.begin(), all.end(), [](const Rendition& r) { return r.group == kAac; });
  if (aac) groups.push_back({kAac, {}});
  std::vector<std::uint32_t> numbers;
  for (const Rendition& r : all) {
    if (r.group.empty()) continue;
    // What has no AAC beside others that have: it can't stand in a group that browsers play.
    if (aac && find_sound(all, r.sound, kAac) == nullptr) continue;
    if (std::find(numbers.begin(), numbers.end(), r.sound) == numbers.end()) numbers.push_back(r.sound);
    const bool known =
        std::any_of(groups.begin(), groups.end(), [&](const Group& g) { return g.id == r.group; });
    if (!known) groups.push_back({r.group, {}});
  }
  std::sort(numbers.begin(), numbers.end());
  if (!aac && groups.size() > 1) {
    Group one{"sound", {}};
    for (const Rendition& r : all) {
      if (!r.group.empty()) one.members.push_back(&r);
    }
    return {one};
  }
  for (Group& group : groups) {
    for (const std::uint32_t number : numbers) {
      const Rendition* own = find_sound(all, number, group.id);
      group.members.push_back(own != nullptr ? own : find_sound(all, number, kAac));
    }
  }
  return groups;
}

void append_media(std::string& text, const Group& group, const UriOf& uri) {
  auto out = std::back_inserter(text);
  std::vector<std::string> heard;
  for (const Rendition* r : group.members) {
    // Automatic choice needs something to choose by (RFC 8216 4.3.4.1.1).
    const std::string key = r->language + (r->describes_video ? "+" : "");
    const bool first = std::find(heard.begin(), heard.end(), key) == heard.end();
    heard.push_back(key);
    fmt::format_to(out, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{}\",NAME=\"{}\"", group.id, r->title);
    if (!r->language.empty()) fmt::format_to(out, ",LANGUAGE=\"{}\"", r->language);
    fmt::format_to(out, ",DEFAULT={},AUTOSELECT={}", r == group.members.front() ? "YES" : "NO",
                   first ? "YES" : "NO");
    if (r->describes_video) text += ",CHARACTERISTICS=\"public.accessibility.describes-video\"";
    if (r->channels != 0) fmt::format_to(out, ",CHANNELS=\"{}\"", r->channels);
    fmt::format_to(out, ",URI=\"{}\"\n", uri(*r));
  }
}

void append_stream(std::string& text, const Variant& v, const std::string& codecs, const std::string& group,
                   const std::string& uri) {
  auto out = std::back_inserter(text);
  fmt::format_to(out, "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={}", v.bandwidth,
                 v.average_bandwidth);
  if (!codecs.empty()) fmt::format_to(out, ",CODECS=\"{}\"", codecs);
  if (v.width != 0 && v.height != 0) fmt::format_to(out, ",RESOLUTION={}x{}", v.width, v.height);
  if (v.frame_rate_num != 0 && v.frame_rate_den != 0) {
    fmt::format_to(out, ",FRAME-RATE={:.3f}", static_cast<double>(v.frame_rate_num) / v.frame_rate_den);
  }
  if (!group.empty()) fmt::format_to(out, ",AUDIO=\"{}\"", group);
  fmt::format_to(out, "\n{}\n", uri);
}

// A level's figures with the heaviest of the group added, and every coding that may come.
Variant with_sound(const Variant& level, const Group& group) {
  Variant out = level;
  std::uint64_t peak = 0;
  std::uint64_t average = 0;
  std::vector<std::string> codecs;
  bool complete = true;
  for (const Rendition* r : group.members) {
    peak = std::max(peak, r->variant.bandwidth);
    average = std::max(average, r->variant.average_bandwidth);
    complete = complete && !r->variant.codecs.empty();
    if (std::find(codecs.begin(), codecs.end(), r->variant.codecs) == codecs.end())
      codecs.push_back(r->variant.codecs);
  }
  out.bandwidth += peak;
  out.average_bandwidth += average;
  const std::string list = fmt::format("{}", fmt::join(codecs, ","));
  if (!complete) {
    out.codecs.clear();
  } else if (!level.codecs.empty()) {
    out.codecs = level.codecs + "," + list;
  }
  return out;
}

}  // namespace

bool is_part_name(const std::string& text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string group_of(const hub::Track& track) {
  switch (track.kind) {
    case StreamKind::mpeg_audio:
      return "mp2";
    case StreamKind::aac_adts:
      return kAac;
    case StreamKind::aac_latm:
      return "latm";
    case StreamKind::ac3:
      return "ac3";
    case StreamKind::eac3:
      return "ec3";
    default:
      return "";
  }
}

std::vector<std::size_t> tracks_with_parts(std::span<const hub::Track> tracks) {
  std::vector<std::size_t> out;
  for (std::size_t t = 1; t < tracks.size(); ++t) {
    const bool smaller = mpegts::is_video(tracks[t].kind) && tracks[t].twin_of;
    if (smaller || !group_of(tracks[t]).empty()) out.push_back(t);
  }
  return out;
}

std::vector<Rendition> describe_parts(const std::vector<TrackFormat>& formats,
                                      const hub::Configuration* configuration) {
  Describer describer(formats, configuration);
  std::vector<Rendition> out;
  std::vector<hub::Track> tracks;
  for (const TrackFormat& f : formats) tracks.push_back(f.track);
  if (!formats.empty() && mpegts::is_audio(tracks[0].kind))
    out.push_back(describer.describe(formats[0], true));
  for (const std::size_t t : tracks_with_parts(tracks)) out.push_back(describer.describe(formats[t], false));
  return out;
}

std::string multivariant_playlist(std::span<const Level> levels, std::span<const Rendition> sounds,
                                  const UriOf& uri) {
  std::vector<Rendition> offered;
  std::copy_if(sounds.begin(), sounds.end(), std::back_inserter(offered),
               [](const Rendition& r) { return r.offered; });
  const std::vector<Group> groups = groups_of(offered);
  if (groups.empty()) {
    std::string text = "#EXTM3U\n#EXT-X-VERSION:3\n";
    for (const Level& level : levels) append_stream(text, level.variant, level.variant.codecs, "", level.uri);
    return text;
  }
  // EXT-X-MEDIA came with protocol version 4 (RFC 8216 7).
  std::string text = "#EXTM3U\n#EXT-X-VERSION:4\n";
  // Radio with one sound: nothing to choose but its coding.
  const bool choice = !levels.empty() || groups.front().members.size() > 1;
  if (choice) {
    for (const Group& group : groups) append_media(text, group, uri);
  }
  for (const Group& group : groups) {
    for (const Level& level : levels) {
      const Variant v = with_sound(level.variant, group);
      append_stream(text, v, v.codecs, group.id, level.uri);
    }
    if (!levels.empty()) continue;
    Variant v = with_sound({}, group);
    std::vector<std::string> codecs;
    for (const Rendition* r : group.members) {
      if (std::find(codecs.begin(), codecs.end(), r->variant.codecs) == codecs.end())
        codecs.push_back(r->variant.codecs);
    }
    append_stream(text, v, fmt::format("{}", fmt::join(codecs, ",")), choice ? group.id : "",
                  uri(*group.members.front()));
  }
  return text;
}

std::string multivariant_playlist(const Variant& variant, const std::string& media_playlist_name) {
  const Level level{variant, media_playlist_name};
  return multivariant_playlist({&level, 1}, {}, {});
}

}  // namespace headgate::bridge::hls
