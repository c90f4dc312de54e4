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
  keeps_ = false;
  whole_ = false;
}

void PictureTap::on_unit(const hub::Unit& unit) {
  if (unit.track != 0 || kind_ == mpegts::StreamKind::unknown) return;
  const bool joinable = unit.timed && unit.random_access != mpegts::es::RandomAccess::none;
  if (keeps_ && !whole_) {
    if (joinable) {
      whole_ = true;  // what begins anew ends what was before it
    } else {
      whole_ = unit.timed || ++following_ >= kMaxFollowing;
      if (!append(unit) && !unit.timed) {
        ++counters_.oversized;
        return forget();
      }
    }
    if (whole_) look_if_due(true);
  }
  if (!joinable || (keeps_ && now_ns_ - kept_ns_ < kKeepApart)) return;
  forget();
  if (unit.packets.size() > PictureDesk::kMaxBytes) {
    ++counters_.oversized;
    return;
  }
  hub::gather(unit.packets, PictureDesk::kMaxBytes, pes_);
  const auto pes = hub::view_pes(pes_);
  if (!pes || pes->payload.empty()) return;
  kept_.assign(pes->payload.begin(), pes->payload.end());
  keeps_ = true;
  following_ = 0;
  looked_ = false;
  kept_ns_ = now_ns_;
}

// False: it does not fit.
bool PictureTap::append(const hub::Unit& unit) {
  hub::gather(unit.packets, PictureDesk::kMaxBytes, pes_);
  const auto pes = hub::view_pes(pes_);
  if (!pes) return true;
  if (kept_.size() + pes->payload.size() > PictureDesk::kMaxBytes) return false;
  kept_.insert(kept_.end(), pes->payload.begin(), pes->payload.end());
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
  if (!whole_ || looked_ || asked_) return;
  const std::int64_t current = slot();
  const bool due = at_random_access && done_slot_ != current;
  const bool wanted = suspicious_ && (!any_look_ || now_ns_ - last_look_ns_ >= kLeastApart);
  if (!due && !wanted) return;
  if (!ask(due)) {
    if (due && std::exchange(refused_slot_, current) != current) ++counters_.skipped;
    return;
  }
  if (due) {
    done_slot_ = current;
    // What was refused is made up for.
    if (refused_slot_ == current) --counters_.skipped;
  }
}

bool PictureTap::ask(bool wants_jpeg) {
  job::PictureRequest request;
  request.codec = static_cast<std::uint8_t>(kind_);
  request.wants_jpeg = wants_jpeg ? 1 : 0;
  const PictureDesk::Time now{std::chrono::nanoseconds(now_ns_)};
  if (!desk_.ask(id_, request, kept_, now)) return false;
  asked_ = looked_ = any_look_ = true;
  asked_ns_ = kept_ns_;
  last_look_ns_ = now_ns_;
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
