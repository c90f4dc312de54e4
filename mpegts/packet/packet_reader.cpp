#include "mpegts/packet/packet_reader.h"

#include <algorithm>
#include <array>

namespace headgate::mpegts {
namespace {

constexpr std::array<std::size_t, 3> kSizes{188, 192, 204};
constexpr std::size_t kSyncToLock = 5;  // TR 101 290 5.2.1

}  // namespace

void PacketReader::push(std::span<const std::uint8_t> bytes) {
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(at_));
  buffer_start_ += at_;
  at_ = 0;
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void PacketReader::skip(std::size_t count) noexcept {
  at_ += count;
  counters_.skipped_bytes += count;
}

// The packet size for which sync bytes stand at this place and behind it; 0 without.
std::size_t PacketReader::size_at(std::size_t at, bool& need_more) const noexcept {
  if (buffer_[at] != kSyncByte) return 0;
  for (const std::size_t size : kSizes) {
    std::size_t seen = 0;
    bool good = true;
    for (; seen < kSyncToLock && at + seen * size < buffer_.size(); ++seen) {
      if (buffer_[at + seen * size] != kSyncByte) {
        good = false;
        break;
      }
    }
    if (!good) continue;
    if (seen == kSyncToLock) return size;
    if (!finished_) {
      need_more = true;
      continue;
    }
    // At the end: two in a row, or a stream that is one packet and nothing else.
    const bool whole = at + kPacketSize <= buffer_.size();
    if (whole && (seen >= 2 || (!ever_locked_ && buffer_start_ + at == 0))) return size;
  }
  return 0;
}

PacketReader::Search PacketReader::search() noexcept {
  while (at_ < buffer_.size()) {
    bool need_more = false;
    const std::size_t size = size_at(at_, need_more);
    // A shorter form may still be confirmed by bytes to come: wait, rather than lock onto a longer one by
    // chance.
    if (need_more) return Search::need_more;
    if (size != 0) {
      size_ = size;
      locked_ = true;
      ever_locked_ = true;
      return Search::found;
    }
    skip(1);
  }
  return finished_ ? Search::exhausted : Search::need_more;
}

// One wrong sync byte between right ones is a bit error; two are a loss.
bool PacketReader::wrong_sync_keeps_lock() const noexcept {
  return at_ + size_ < buffer_.size() && buffer_[at_ + size_] == kSyncByte;
}

std::optional<PacketReader::Item> PacketReader::next() noexcept {
  while (true) {
    const std::size_t between = std::min(extra_, available());
    at_ += between;
    extra_ -= between;
    if (extra_ > 0 || at_ >= buffer_.size()) return std::nullopt;
    if (!locked_ && search() != Search::found) return std::nullopt;
    if (available() < kPacketSize) {
      if (finished_) skip(available());
      return std::nullopt;
    }
    if (buffer_[at_] == kSyncByte) {
      const std::span<const std::uint8_t, kPacketSize> bytes{buffer_.data() + at_, kPacketSize};
      const Item item{TsPacket{bytes}, buffer_start_ + at_};
      at_ += kPacketSize;
      extra_ = size_ - kPacketSize;
      ++counters_.packets;
      return item;
    }
    if (!finished_ && available() <= size_) return std::nullopt;
    ++counters_.sync_byte_errors;
    if (wrong_sync_keeps_lock()) {
      skip(size_);
      continue;
    }
    ++counters_.sync_losses;
    locked_ = false;
    skip(1);
  }
}

}  // namespace headgate::mpegts
