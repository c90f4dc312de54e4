// Which of a service's elementary streams are carried: what at least one class of players decodes, one video
// at most. Reference: ISO/IEC 13818-1:2022 2.4.4.8 (PMT). Threading: pure functions.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/bridge/hub/track.h"

namespace headgate::bridge::hub {

inline constexpr std::size_t kMaxStreams = 32;  // carried

// Why a stream of this kind is not carried; null: it is.
const char* refusal(mpegts::StreamKind kind);

struct Selection {
  std::vector<Track> tracks;    // of the PMT, each with a reason where it is not carried
  Configuration configuration;  // of those that are; its transport_stream_id and pmt_pid are not set
  std::vector<Track> watched;   // to be looked at although not carried: the video that was given up
};

// `without_video`: it brought nothing usable for too long.
Selection select_streams(const mpegts::Pmt& pmt, bool without_video);

}  // namespace headgate::bridge::hub
