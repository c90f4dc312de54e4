// Finds transport packets in a byte stream: their size (188, 192 with a 4-byte time before each, 204 with 16
// check bytes after each), the first sync byte, and the next one after garbage. Hands out the 188 bytes.
// Reference: ISO/IEC 13818-1:2022 2.4.3.2, Annex G; ETSI TR 101 290 5.2.1 (sync: five in a row to gain it,
// two wrong ones in a row to lose it). Threading: owned by one thread. Memory: what was pushed and not yet
// read, which is a few packets where next() is called until it gives nothing before each push().
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {

class PacketReader {
 public:
  struct Item {
    TsPacket packet;         // valid until the next push()
    std::uint64_t position;  // of its sync byte in the stream
  };
  struct Counters {
    std::uint64_t packets = 0;        // handed out
    std::uint64_t skipped_bytes = 0;  // neither in a packet nor the extra bytes of the 192 and 204 forms
    std::uint64_t sync_losses = 0;    // TS_sync_loss: sync was lost after it had been found
    std::uint64_t sync_byte_errors =
        0;  // Sync_byte_error: packets whose first byte was wrong; they are skipped
  };

  void push(std::span<const std::uint8_t> bytes);
  // The stream ends here: what is left is judged by fewer sync bytes.
  void finish() noexcept { finished_ = true; }
  // The next packet; nothing until more is pushed.
  std::optional<Item> next() noexcept;

  // 188, 192 or 204; 0 until sync is found.
  std::size_t packet_size() const noexcept { return size_; }
  bool in_sync() const noexcept { return locked_; }
  const Counters& counters() const noexcept { return counters_; }

 private:
  enum class Search { found, need_more, exhausted };
  Search search() noexcept;
  std::size_t size_at(std::size_t at, bool& need_more) const noexcept;
  bool wrong_sync_keeps_lock() const noexcept;
  void skip(std::size_t count) noexcept;
  std::size_t available() const noexcept { return buffer_.size() - at_; }

  std::vector<std::uint8_t> buffer_;
  std::size_t at_ = 0;              // first byte not yet consumed
  std::uint64_t buffer_start_ = 0;  // position of buffer_[0] in the stream
  std::size_t extra_ = 0;           // bytes between packets still to pass over
  std::size_t size_ = 0;
  bool locked_ = false;
  bool ever_locked_ = false;
  bool finished_ = false;
  Counters counters_;
};

}  // namespace headgate::mpegts
