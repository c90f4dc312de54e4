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
  first_size_ = 0;
  whole_ = false;
}

void PictureTap::on_unit(const hub::Unit& unit) {
  if (unit.track != 0 || kind_ == mpegts::StreamKind::unknown) return;
  const bool joinable = unit.timed && unit.random_access != mpegts::es::RandomAccess::none;
  if (first_size_ != 0 && !whole_) {
    if (joinable) {
      whole_ = true;  // what begins anew ends what was before it
    } else {
      hub::gather(unit.packets, PictureDesk::kMaxBytes, pes_);
      const auto pes = hub::view_pes(pes_);
      if (pes && kept_.size() + pes->payload.size() <= PictureDesk::kMaxBytes)
        kept_.insert(kept_.end(), pes->payload.begin(), pes->payload.end());
      whole_ = unit.timed || ++following_ >= kMaxFollowing;
    }
    if (whole_) look_if_due(true);
  }
  if (!joinable || (first_size_ != 0 && now_ns_ - kept_ns_ < kKeepApart)) return;
  forget();
  if (unit.packets.size() > PictureDesk::kMaxBytes) {
    ++counters_.oversized;
    return;
  }
  hub::gather(unit.packets, PictureDesk::kMaxBytes, pes_);
  const auto pes = hub::view_pes(pes_);
  if (!pes || pes->payload.empty()) return;
  kept_.assign(pes->payload.begin(), pes->payload.end());
  first_size_ = kept_.size();
  following_ = 0;
  looked_ = false;
  kept_ns_ = now_ns_;
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
  const std::int64_t current = slot();
  // What is refused may be made up for while its time lasts.
  if (refused_slot_ >= 0 && refused_slot_ != current) {
    ++counters_.skipped;
    refused_slot_ = -1;
  }
  if (!whole_ || looked_ || asked_) return;
  const bool due = at_random_access && done_slot_ != current;
  const bool wanted = suspicious_ && (!any_look_ || now_ns_ - last_look_ns_ >= kLeastApart);
  if (!due && !wanted) return;
  if (!ask(due)) {
    if (due) refused_slot_ = current;
    return;
  }
  if (due) {
    done_slot_ = current;
    refused_slot_ = -1;
  }
}

bool PictureTap::ask(bool wants_jpeg) {
  job::PictureRequest request;
  request.codec = static_cast<std::uint8_t>(kind_);
  request.wants_jpeg = wants_jpeg ? 1 : 0;
  request.random_access_size = static_cast<std::uint32_t>(first_size_);
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
  ++(picture.verdict == job::PictureVerdict::shown ? counters_.shown : counters_.failed);
  on_result_({picture, jpeg, asked_ns_});
}

void PictureTap::on_lost() {
  asked_ = false;
  ++counters_.skipped;
}

}  // namespace headgate::bridge::transcode
