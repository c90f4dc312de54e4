// Tables on their way out of a service: each at an interval of its own, and soon where it is new, packed into
// packets whose counters go on (ISO/IEC 13818-1:2022 2.4.4, EN 300 468 5.1.4). Threading: owned by one
// thread; nothing allocates but Repeated::set() where a table is new.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "mpegts/packet/ts_packet.h"
#include "mpegts/psi/section.h"
#include "mpegts/psi/versioned_table.h"
#include "mpegts/remux/packet_edit.h"
#include "mpegts/remux/service_filter.h"

namespace headgate::mpegts::remux {

inline constexpr std::int64_t kLongAgo = std::numeric_limits<std::int64_t>::min() / 2;
inline constexpr std::int64_t kNotYet = std::numeric_limits<std::int64_t>::max();
// EN 300 468 5.1.4, between two sections of a table.
inline constexpr std::int64_t kTableGapNs = ServiceFilter::kSectionGapNs;

struct Repeated {
  explicit Repeated(std::int64_t interval) noexcept : every_ns(interval) {}

  // `version`: of the first content.
  void set(std::vector<std::vector<std::uint8_t>> sections, std::uint8_t version) {
    if (table.empty()) table.start_at(version);
    if (table.set(std::move(sections))) fresh = true;
  }
  void set_section(std::vector<std::uint8_t> section, std::uint8_t version) {
    std::vector<std::vector<std::uint8_t>> sections;
    sections.push_back(std::move(section));
    set(std::move(sections), version);
  }
  std::int64_t due_ns() const noexcept { return sent_ns + (fresh ? kTableGapNs : every_ns); }

  VersionedTable table;
  std::int64_t every_ns;
  std::int64_t sent_ns = kLongAgo;
  bool fresh = false;  // changed since it was sent
  std::uint8_t continuity = 0;
};

class TableSender {
 public:
  void clear() noexcept { size_ = 0; }
  bool empty() const noexcept { return size_ == 0; }
  std::span<const std::uint8_t> packets() const noexcept {
    return std::span<const std::uint8_t>{out_}.first(size_);
  }

  void section(Pid pid, std::span<const std::uint8_t> section, std::uint8_t& continuity) noexcept {
    // Room for one packet always stays.
    const auto room = std::span<std::uint8_t>{out_}.subspan(size_).first(out_.size() - size_ - kPacketSize);
    const std::size_t written = pack_section_into(pid, section, continuity, room);
    size_ += written;
    continuity = (continuity + written / kPacketSize) & 0x0F;
  }
  // When the table is due next.
  std::int64_t if_due(Repeated& repeated, Pid pid, std::int64_t now_ns) noexcept {
    if (repeated.table.empty()) return kNotYet;
    if (now_ns >= repeated.due_ns()) {
      for (const auto& part : repeated.table.sections()) section(pid, part, repeated.continuity);
      repeated.sent_ns = now_ns;
      repeated.fresh = false;
    }
    return repeated.due_ns();
  }
  // Where to write the packet that goes last.
  PacketBytes last() noexcept {
    const PacketBytes to{out_.data() + size_, kPacketSize};
    size_ += kPacketSize;
    return to;
  }

 private:
  // Of one packet of the input: the longest section and eleven that begin and end in it, PAT, PMT, SDT and
  // the CAT's, and itself.
  std::array<std::uint8_t, 128 * kPacketSize> out_{};
  std::size_t size_ = 0;
};

}  // namespace headgate::mpegts::remux
