// Eyes and ears on one channel: on what is on air, by its random access points and the levels that its sound
// worker measures, and on inputs that were left for what was seen or heard and stand by. What they find goes
// to status and to the watch page; the picture becomes the thumbnail. References: dataplane/bridge/watch,
// dataplane/ring/ring.h (Slot::input). Threading: owned by the bridge's media thread. Ownership: what
// Workers names and what the constructor takes outlive it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "control/protocol/state.h"
#include "dataplane/bridge/hub/unit_fan_out.h"
#include "dataplane/bridge/transcode/audio_twins.h"
#include "dataplane/bridge/transcode/picture_tap.h"
#include "dataplane/bridge/transcode/thumbnail.h"
#include "dataplane/bridge/watch/channel_watch.h"
#include "dataplane/bridge/watch/verdicts.h"
#include "dataplane/ring/ring.h"

namespace headgate::bridge::app {

// What the transcode process is asked by. All null: there is none, and nothing is looked at.
struct Workers {
  transcode::JobMaker* jobs = nullptr;
  transcode::PictureDesk* pictures = nullptr;
  watch::Verdicts* verdicts = nullptr;
  std::string pictures_directory;  // "": nothing is written
};

class Eyes {
 public:
  // Standing by without a packet for so long, an input is watched no longer.
  static constexpr std::chrono::seconds kStandbyPatience{5};

  Eyes(const Workers& workers, const protocol::BridgeChannel& state, hub::UnitFanOut& units,
       transcode::AudioTwins& twins);
  ~Eyes();

  void become(const protocol::BridgeChannel& state);
  // False: of an input that stands by; nobody else is to have it.
  bool on_slot(const ring::Slot& slot);
  void on_gap();
  void on_tick(std::chrono::steady_clock::time_point now);

  std::uint32_t input() const { return input_; }  // on air; 1 = primary
  const watch::ChannelWatch& watch() const;
  // Null: pictures are not looked at.
  const transcode::PictureTapCounters* looks() const;
  const transcode::Thumbnail& thumbnail() const { return thumbnail_; }
  // By number, those that stand by and are watched.
  std::map<std::uint32_t, const watch::ChannelWatch*> standby() const;
  // The clock of watch().
  static std::int64_t now_ns();

 private:
  class Eye;
  struct Standby;
  std::unique_ptr<transcode::PictureTap> make_tap(std::uint32_t input, Eye& eye, bool thumbnails);

  Workers workers_;
  protocol::BridgeChannel state_;
  hub::UnitFanOut& units_;
  transcode::AudioTwins& twins_;
  transcode::Thumbnail thumbnail_;
  std::uint32_t input_ = 1;
  std::unique_ptr<Eye> on_air_;
  std::map<std::uint32_t, std::unique_ptr<Standby>> standby_;
};

}  // namespace headgate::bridge::app
