// Which track of an input goes where in an output whose PIDs are given: by role (video; sound by language,
// then in order; the rest by stream_type, in order), and the PMT that tells of it (ISO/IEC
// 13818-1:2022 2.4.4.8). Threading: pure function.
#pragma once

#include <cstddef>
#include <vector>

#include "mpegts/psi/tables.h"

namespace headgate::mpegts::remux {

struct TrackPlan {
  struct Track {
    Pid from;
    std::size_t to = 0;  // index of the layout's stream
    StreamKind kind = StreamKind::unknown;
  };
  struct KeyPid {  // of ECMs (2.6.16)
    Pid from;
    Pid to;
  };
  std::vector<Track> tracks;
  std::vector<Pid> left_out;  // tracks for which the layout has no place
  std::vector<KeyPid> keys;
  // Of the layout, with the input's codecs and descriptors and without the tracks that it lacks. The version
  // is the layout's.
  Pmt pmt;
};

// `pmt_pid`: the layout's, which nothing else may use.
TrackPlan plan_tracks(const Pmt& layout, Pid pmt_pid, const Pmt& input);

// The track that a switch goes by: the first video, else the first sound, else the first; null without
// tracks.
const TrackPlan::Track* key_track(const TrackPlan& plan) noexcept;

// Whether a receiver of the one needs no word of the other: all is the same but for the version.
bool alike(const Pmt& a, const Pmt& b);

}  // namespace headgate::mpegts::remux
