#include "dataplane/bridge/app/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>

#include "dataplane/bridge/hub/channel_hub.h"

namespace headgate::bridge::app {
namespace {

constexpr std::size_t kMostTracks = 4;  // named in one sentence

std::string name_of(const hub::Track& track) {
  return fmt::format("PID {} ({})", track.pid.value, mpegts::to_string(track.kind));
}

const char* sentence(hub::Fate fate) {
  switch (fate) {
    case hub::Fate::none:
      return "brings no packets";
    case hub::Fate::damaged:
      return "brings no whole PES packet: packets are missing, or its PES headers are wrong";
    case hub::Fate::scrambled:
      return "is scrambled: take it in the clear";
    case hub::Fate::oversized:
      return "brings PES packets of more than 4 MiB";
    case hub::Fate::untimed:
      return "has no clock: no PCR comes on the PID that the PMT names";
    case hub::Fate::bad_timestamp:
      return "has time stamps 20 s or more off its PCR";
    case hub::Fate::unreferenced:
      return "waits for a random access point after a loss in this node";
    case hub::Fate::delivered:
      break;
  }
  return "brings no PES packet with a time stamp";
}

const hub::Track* video_of(const hub::ChannelHub& hub) {
  const auto found = std::find_if(hub.tracks().begin(), hub.tracks().end(),
                                  [](const hub::Track& t) { return mpegts::is_video(t.kind); });
  return found == hub.tracks().end() ? nullptr : &*found;
}

}  // namespace

bool carries_nothing(const hub::ChannelHub& hub) {
  return !hub.tracks().empty() && std::none_of(hub.tracks().begin(), hub.tracks().end(),
                                               [](const hub::Track& t) { return t.carried; });
}

std::string why_no_segment(const hub::ChannelHub& hub) {
  if (hub.service_count() == 0) return "no PAT that names a service comes";
  if (!hub.program_number()) {
    return hub.service_count() == 1
               ? std::string("the service's PMT does not come")
               : fmt::format("none of the {} services has clear video or sound", hub.service_count());
  }
  if (hub.tracks().empty()) return "the service has no tracks";
  if (carries_nothing(hub)) {
    std::string text = "none of the service's tracks can be carried: ";
    const std::size_t named = std::min(hub.tracks().size(), kMostTracks);
    for (std::size_t i = 0; i < named; ++i) {
      text += fmt::format("{}{}, {}", i == 0 ? "" : "; ", name_of(hub.tracks()[i]), hub.tracks()[i].reason);
    }
    if (named < hub.tracks().size()) text += fmt::format("; and {} more", hub.tracks().size() - named);
    return text;
  }
  // The first video is what segments are cut by, else the first audio.
  const hub::Track* master = video_of(hub);
  if (master == nullptr || !master->carried) {
    master =
        &*std::find_if(hub.tracks().begin(), hub.tracks().end(), [](const auto& t) { return t.carried; });
  }
  return fmt::format("{} {}", name_of(*master), sentence(hub.last_fate(master->pid)));
}

std::string why_no_video(const hub::ChannelHub& hub) {
  const hub::Track* video = video_of(hub);
  if (video == nullptr) return "the service has no video";
  return fmt::format("{} {}", name_of(*video), sentence(hub.last_fate(video->pid)));
}

std::string why_no_random_access(const hub::ChannelHub& hub) {
  const hub::Track* video = video_of(hub);
  if (video == nullptr) return "the service has no video";
  return fmt::format("{} sends none (set its encoder to a GOP no longer than a segment)", name_of(*video));
}

}  // namespace headgate::bridge::app
