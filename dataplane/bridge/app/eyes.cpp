#include "dataplane/bridge/app/eyes.h"

#include <utility>
#include <vector>

#include "dataplane/bridge/hub/channel_hub.h"
#include "dataplane/bridge/hub/unix_time.h"
#include "dataplane/bridge/watch/coded_sizes.h"

namespace headgate::bridge::app {
namespace {

constexpr unsigned kInputIdShift = 28;  // handles are far from these bits

std::int64_t steady_ns(std::chrono::steady_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}
std::int64_t steady_ns() { return steady_ns(std::chrono::steady_clock::now()); }

}  // namespace

// On one input: hands its units to the tap and to the watch.
class Eyes::Eye final : public hub::UnitSink {
 public:
  explicit Eye(const protocol::WatchState& state) : watch(state), state_(state) {}

  void configure(const protocol::WatchState& state) {
    state_ = state;
    watch.configure(state);
    if (tap != nullptr) tap->set_every(state.every_ms);
    set_tracks();
  }
  void begin(bool suspect) { watch.begin(now_ns, suspect); }
  void set_time(std::int64_t ns) {
    now_ns = ns;
    if (tap != nullptr) tap->set_time(ns);
  }
  void on_tick(std::int64_t ns) {
    now_ns = ns;
    watch.on_tick(ns);
    if (tap != nullptr) {
      tap->set_suspicious(watch.wants_look(), watch.wants_look_before_ns());
      tap->on_tick(ns);
    }
  }

  void on_configuration(std::shared_ptr<const hub::Configuration> configuration) override {
    if (tap != nullptr) tap->on_configuration(configuration);
    configuration_ = std::move(configuration);
    set_tracks();
  }
  void on_unit(const hub::Unit& unit) override {
    watch.on_data(now_ns);
    const bool picture = unit.track == 0 && has_video_ && unit.timed;
    if (picture && state_.pictures) {
      watch.on_unit(watch::coded_bytes(unit.packets), unit.random_access != mpegts::es::RandomAccess::none,
                    now_ns);
      if (tap != nullptr) tap->set_suspicious(watch.wants_look(), watch.wants_look_before_ns());
    }
    if (tap != nullptr) tap->on_unit(unit);
  }
  void on_discontinuity() override {
    if (tap != nullptr) tap->on_discontinuity();
  }
  void on_loss() override {
    if (tap != nullptr) tap->on_loss();
  }
  void set_tracks() {
    if (configuration_ == nullptr) return;
    const auto& carried = configuration_->carried;
    has_video_ = !carried.empty() && mpegts::is_video(carried[0].kind);
    std::vector<std::uint32_t> sound;
    const auto add = [&](const std::vector<hub::Track>& tracks) {
      for (const hub::Track& track : tracks) {
        if (mpegts::is_audio(track.kind) && !track.twin_of) sound.push_back(track.pid.value);
      }
    };
    if (state_.sound && hears) {
      add(carried);
      add(configuration_->heard);
    }
    watch.set_tracks(has_video_ && tap != nullptr, sound, now_ns);
  }

  watch::ChannelWatch watch;
  std::unique_ptr<transcode::PictureTap> tap;
  bool hears = false;  // levels come
  std::int64_t now_ns = steady_ns();

 private:
  protocol::WatchState state_;
  std::shared_ptr<const hub::Configuration> configuration_;
  bool has_video_ = false;
};

struct Eyes::Standby {
  Standby(const protocol::BridgeChannel& state, std::uint32_t input)
      : eye(state.watch), sound(eye, state.id, "." + std::to_string(input)) {}
  Eye eye;
  transcode::AudioTwins sound;
  hub::ChannelHub hub{sound};
  std::int64_t last_slot_ns = 0;
};

Eyes::Eyes(const Workers& workers, const protocol::BridgeChannel& state, hub::UnitFanOut& units,
           transcode::AudioTwins& twins)
    : workers_(workers),
      state_(state),
      units_(units),
      twins_(twins),
      thumbnail_(workers.pictures_directory, state.id),
      on_air_(std::make_unique<Eye>(state.watch)) {
  units_.add(on_air_.get());
  twins_.set_levels([this](mpegts::Pid pid, const job::SoundLevels& levels) {
    if (state_.watch.sound) on_air_->watch.on_levels(pid.value, levels, steady_ns());
  });
  become(state);
}

Eyes::~Eyes() {
  if (workers_.verdicts != nullptr) workers_.verdicts->forget(state_.handle);
  twins_.set_levels({});
  units_.remove(on_air_.get());
}

const watch::ChannelWatch& Eyes::watch() const { return on_air_->watch; }

const transcode::PictureTapCounters* Eyes::looks() const {
  return on_air_->tap == nullptr ? nullptr : &on_air_->tap->counters();
}

std::map<std::uint32_t, const watch::ChannelWatch*> Eyes::standby() const {
  std::map<std::uint32_t, const watch::ChannelWatch*> out;
  for (const auto& [input, standby] : standby_) out[input] = &standby->eye.watch;
  return out;
}

std::int64_t Eyes::now_ns() { return steady_ns(); }

std::unique_ptr<transcode::PictureTap> Eyes::make_tap(std::uint32_t input, Eye& eye, bool thumbnails) {
  if (workers_.pictures == nullptr || !state_.watch.pictures) return nullptr;
  // The one on air keeps its number whichever input that is: it is the channel's.
  const std::uint32_t id = state_.handle ^ (thumbnails ? 0 : input << kInputIdShift);
  return std::make_unique<transcode::PictureTap>(
      *workers_.pictures, id, state_.watch.every_ms,
      [this, &eye, thumbnails](const transcode::PictureTap::Result& result) {
        eye.watch.on_picture(result.picture, result.taken_ns, steady_ns());
        if (!thumbnails || result.picture.verdict != job::PictureVerdict::shown || result.jpeg.empty())
          return;
        thumbnail_.set(result.jpeg, result.picture.tile, hub::unix_now_ns());
      });
}

void Eyes::become(const protocol::BridgeChannel& state) {
  state_ = state;
  Eye& eye = *on_air_;
  if (!state.watch.pictures) {
    eye.tap.reset();
    thumbnail_.remove();
  } else if (eye.tap == nullptr) {
    eye.tap = make_tap(input_, eye, true);
  }
  eye.hears = workers_.jobs != nullptr && state.watch.sound;
  eye.configure(state.watch);
  standby_.clear();  // made anew by their next slot
}

bool Eyes::on_slot(const ring::Slot& slot) {
  const std::int64_t now_ns = steady_ns();
  if (slot.input == 0) {
    on_air_->set_time(now_ns);
    const std::uint32_t number = slot.flags >> ring::kSlotOnAirShift;
    if (number != 0 && number != input_) {
      input_ = number;
      standby_.erase(number);
      on_air_->begin(false);
    }
    return true;
  }
  if (slot.input > ring::kMaxSlotOnAir || slot.input == input_) return false;
  auto& standby = standby_[slot.input];
  if (standby == nullptr) {
    standby = std::make_unique<Standby>(state_, slot.input);
    Eye& eye = standby->eye;
    const std::uint32_t input = slot.input;
    eye.tap = make_tap(input, eye, false);
    eye.hears = workers_.jobs != nullptr && state_.watch.sound;
    eye.set_time(now_ns);
    eye.begin(true);
    standby->sound.set_levels([&eye](mpegts::Pid pid, const job::SoundLevels& levels) {
      eye.watch.on_levels(pid.value, levels, steady_ns());
    });
    transcode::SoundWishes wishes;
    wishes.policy = protocol::AudioTranscode::never;
    wishes.measure = state_.watch.sound;
    standby->sound.set(wishes, workers_.jobs);
  }
  standby->last_slot_ns = now_ns;
  standby->eye.set_time(now_ns);
  standby->hub.on_slot(slot);
  return false;
}

void Eyes::on_gap() {
  for (const auto& [input, standby] : standby_) standby->hub.on_gap();
}

void Eyes::on_tick(std::chrono::steady_clock::time_point now) {
  const std::int64_t now_ns = steady_ns(now);
  const std::int64_t unix_ns = hub::unix_now_ns();
  on_air_->on_tick(now_ns);
  std::erase_if(standby_, [&](const auto& item) {
    return now_ns - item.second->last_slot_ns > std::chrono::nanoseconds(kStandbyPatience).count();
  });
  for (const auto& [input, standby] : standby_) standby->eye.on_tick(now_ns);
  if (workers_.verdicts == nullptr) return;
  workers_.verdicts->publish(state_.handle, input_, on_air_->watch, now_ns, unix_ns);
  for (const auto& [input, standby] : standby_)
    workers_.verdicts->publish(state_.handle, input, standby->eye.watch, now_ns, unix_ns);
}

}  // namespace headgate::bridge::app
