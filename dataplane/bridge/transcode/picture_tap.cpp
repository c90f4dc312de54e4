#include "dataplane/bridge/transcode/picture_tap.h"

#include <algorithm>
#include <utility>

#include "dataplane/bridge/hub/payload.h"

namespace headgate::bridge::transcode {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;
// Knuth's multiplicative hash: handles that follow each other fall far apart.
constexpr std::uint32_t kScatter = 2'654'435'761U;

}  // namespace

PictureTap::PictureTap(PictureDesk& desk, std::uint32_t id, std::uint32_t every_ms, OnResult on_result)
    : desk_(desk), id_(id), every_ms_(every_ms), on_result_(std::move(on_result)) {
  desk_.join(id_, this);
}

PictureTap::~PictureTap() { desk_.leave(id_); }

void PictureTap::on_configuration(std::shared_ptr<const hub::Configuration> configuration) {
  const auto& carried = configuration->carried;
  const auto kind =
      !carried.empty() && mpegts::is_video(carried[0].kind) ? carried[0].kind : mpegts::StreamKind::unknown;
  if (std::exchange(kind_, kind) != kind) forget();
}

void PictureTap::forget() {
  kept_.has = earlier_.has = false;
  kept_.whole = earlier_.whole = false;
}

void PictureTap::on_unit(const hub::Unit& unit) {
  if (unit.track != 0 || kind_ == mpegts::StreamKind::unknown) return;
  const bool joinable = unit.timed && unit.random_access != mpegts::es::RandomAccess::none;
  if (kept_.has && !kept_.whole && !complete(unit, joinable)) {
    ++counters_.oversized;
    kept_.has = false;
    return;
  }
  if (!joinable || (kept_.has && now_ns_ - kept_.ns < kKeepApart)) return;
  std::swap(kept_, earlier_);
  kept_.has = kept_.whole = false;
  if (unit.packets.size() > PictureDesk::kMaxBytes) {
    ++counters_.oversized;
    return;
  }
  hub::gather(unit.packets, PictureDesk::kMaxBytes, pes_);
  const auto pes = hub::view_pes(pes_);
  if (!pes || pes->payload.empty()) return;
  kept_.bytes.assign(pes->payload.begin(), pes->payload.end());
  kept_.has = true;
  kept_.following = 0;
  kept_.looked = false;
  kept_.ns = now_ns_;
}

// False: it does not fit.
bool PictureTap::complete(const hub::Unit& unit, bool joinable) {
  if (joinable) {
    kept_.whole = true;  // what begins anew ends what was before it
  } else {
    kept_.whole = unit.timed || ++kept_.following >= kMaxFollowing;
    if (!append(unit) && !unit.timed) return false;
  }
  if (kept_.whole) look_if_due(true);
  return true;
}

// False: it does not fit.
bool PictureTap::append(const hub::Unit& unit) {
  hub::gather(unit.packets, PictureDesk::kMaxBytes, pes_);
  const auto pes = hub::view_pes(pes_);
  if (!pes) return true;
  if (kept_.bytes.size() + pes->payload.size() > PictureDesk::kMaxBytes) return false;
  kept_.bytes.insert(kept_.bytes.end(), pes->payload.begin(), pes->payload.end());
  return true;
}

std::int64_t PictureTap::slot() const {
  const std::int64_t every = std::max<std::int64_t>(every_ms_, 1);
  const auto phase =
      static_cast<std::int64_t>(std::uint64_t{id_ * kScatter} * static_cast<std::uint64_t>(every) >> 32);
  return (now_ns_ / kMillisecond + phase) / every;
}

// Regular looks at random access points only: these come at times of their own, so that channels don't fall
// together.
void PictureTap::look_if_due(bool at_random_access) {
  look_back();
  const std::int64_t current = slot();
  // What is refused may be made up for while its time lasts.
  if (refused_slot_ >= 0 && refused_slot_ != current) {
    ++counters_.skipped;
    refused_slot_ = -1;
  }
  if (!kept_.whole || kept_.looked || asked_) return;
  const bool due = at_random_access && done_slot_ != current;
  const bool wanted = suspicious_ && (!any_look_ || now_ns_ - last_look_ns_ >= kLeastApart);
  if (!due && !wanted) return;
  if (!ask(kept_, due)) {
    if (due) refused_slot_ = current;
    return;
  }
  last_look_ns_ = now_ns_;
  if (due) {
    done_slot_ = current;
    refused_slot_ = -1;
  }
}

// At what came before it went wrong, where another one came since. The looks at what it is now go on as ever.
void PictureTap::look_back() {
  if (!suspicious_ || before_ns_ == 0 || asked_ || !earlier_.whole || earlier_.looked || kept_.looked) return;
  if (kept_.has && earlier_.ns < before_ns_ && kept_.ns >= before_ns_) ask(earlier_, false);
}

bool PictureTap::ask(Kept& kept, bool wants_jpeg) {
  job::PictureRequest request;
  request.codec = static_cast<std::uint8_t>(kind_);
  request.wants_jpeg = wants_jpeg ? 1 : 0;
  const PictureDesk::Time now{std::chrono::nanoseconds(now_ns_)};
  if (!desk_.ask(id_, request, kept.bytes, now)) return false;
  asked_ = kept.looked = any_look_ = true;
  asked_ns_ = kept.ns;
  ++counters_.looks;
  return true;
}

void PictureTap::on_tick(std::int64_t now_ns) {
  now_ns_ = now_ns;
  look_if_due(false);
}

void PictureTap::on_picture(const job::PictureResult& picture, std::span<const std::uint8_t> jpeg) {
  asked_ = false;
  const bool shown = picture.verdict == job::PictureVerdict::shown;
  ++(shown ? counters_.shown : counters_.failed);
  // The next one may be whole.
  if (picture.verdict == job::PictureVerdict::undecodable &&
      std::exchange(repeated_slot_, slot()) != slot()) {
    done_slot_ = -1;
  }
  on_result_({picture, jpeg, asked_ns_});
}

void PictureTap::on_lost() {
  asked_ = false;
  ++counters_.skipped;
}

}  // namespace headgate::bridge::transcode
