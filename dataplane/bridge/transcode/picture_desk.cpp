#include "dataplane/bridge/transcode/picture_desk.h"

namespace headgate::bridge::transcode {

void PictureDesk::join(std::uint32_t id, PictureAsker* asker) {
  askers_[id] = asker;
  if (job_ != nullptr) return;
  job_ = maker_.make("pictures", {job::Kind::pictures, ""}, kPictureRings,
                     [this](const ring::MessageHeader& header, std::span<const std::uint8_t> payload) {
                       on_message(header, payload);
                     });
}

void PictureDesk::leave(std::uint32_t id) {
  askers_.erase(id);
  asked_.erase(id);
  if (askers_.empty()) job_.reset();
}

bool PictureDesk::ask(std::uint32_t id, const job::PictureRequest& request,
                      std::span<const std::uint8_t> access_units, Time now) {
  if (job_ == nullptr || asked_.size() >= kMaxOutstanding || asked_.contains(id)) return false;
  const auto head = job::bytes_of(request);
  buffer_.assign(head.begin(), head.end());
  buffer_.insert(buffer_.end(), access_units.begin(), access_units.end());
  ring::MessageHeader header;
  header.kind = static_cast<std::uint16_t>(job::Message::picture);
  header.id = id;
  if (!job_->push(header, buffer_)) return false;
  asked_[id] = now;
  ++counters_.requests;
  return true;
}

void PictureDesk::on_tick(Time now) {
  for (auto at = asked_.begin(); at != asked_.end();) {
    if (now - at->second < kPatience) {
      ++at;
      continue;
    }
    const auto asker = askers_.find(at->first);
    at = asked_.erase(at);
    ++counters_.lost;
    if (asker != askers_.end()) asker->second->on_lost();
  }
}

void PictureDesk::on_message(const ring::MessageHeader& header, std::span<const std::uint8_t> payload) {
  const auto asker = askers_.find(header.id);
  const auto result = header.kind == static_cast<std::uint16_t>(job::Message::result)
                          ? job::read<job::PictureResult>(payload)
                          : std::nullopt;
  if (!result || asker == askers_.end() || asked_.erase(header.id) == 0) {
    ++counters_.unexpected;
    return;
  }
  ++counters_.results;
  const auto jpeg = payload.subspan(sizeof(job::PictureResult));
  const bool whole = result->jpeg_size == jpeg.size();
  asker->second->on_picture(*result, whole ? jpeg : std::span<const std::uint8_t>{});
}

}  // namespace headgate::bridge::transcode
