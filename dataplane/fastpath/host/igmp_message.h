// IGMP messages. RFC 3376 section 4 (version 3), RFC 2236 section 2 (version 2), RFC 1112 appendix I (version
// 1). Threading: pure functions and values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "dataplane/fastpath/host/frame.h"

namespace headgate::fastpath {

inline constexpr Ipv4 kAllSystems{0xE0000001};     // 224.0.0.1
inline constexpr Ipv4 kAllRouters{0xE0000002};     // 224.0.0.2, version 2 leaves
inline constexpr Ipv4 kIgmpv3Routers{0xE0000016};  // 224.0.0.22, RFC 3376 4.2.14

enum class IgmpType : std::uint8_t {
  query = 0x11,
  v1_report = 0x12,
  v2_report = 0x16,
  v2_leave = 0x17,
  v3_report = 0x22,
};

struct IgmpQuery {
  int version = 3;  // by length and Max Resp Code, RFC 3376 7.1
  std::chrono::milliseconds max_response{};
  Ipv4 group;                               // none: general
  std::vector<Ipv4> sources;                // group-and-source-specific
  std::uint8_t robustness = 0;              // QRV, 0 where not told
  std::chrono::seconds querier_interval{};  // QQIC, 0 where not told
};

struct IgmpGroupMessage {  // version 1 and 2 reports, leave
  IgmpType type = IgmpType::v2_report;
  Ipv4 group;
};

// RFC 3376 4.2.12.
enum class RecordType : std::uint8_t {
  mode_is_include = 1,
  mode_is_exclude = 2,
  change_to_include = 3,
  change_to_exclude = 4,
  allow_new_sources = 5,
  block_old_sources = 6,
};

struct GroupRecord {
  RecordType type = RecordType::mode_is_include;
  Ipv4 group;
  std::vector<Ipv4> sources;
  bool operator==(const GroupRecord&) const = default;
};

struct Igmpv3Report {
  std::vector<GroupRecord> records;
};

using IgmpMessage = std::variant<IgmpQuery, IgmpGroupMessage, Igmpv3Report>;

// Nothing where it is too short, its checksum is wrong or its counts pass its end.
std::optional<IgmpMessage> parse_igmp(Bytes message);

// RFC 3376 4.1.1 and 4.1.7: an 8-bit code, floating point from 128 on.
constexpr std::uint32_t decode_igmp_code(std::uint8_t code) noexcept {
  if (code < 128) return code;
  return static_cast<std::uint32_t>((code & 0x0F) | 0x10) << ((code >> 4 & 0x07) + 3);
}

// Where a frame goes out from.
struct IgmpSender {
  Mac mac{};
  std::uint16_t vlan = 0;
  Ipv4 address;  // none: 0.0.0.0, RFC 3376 4.2.13
};

// Whole frames: TTL 1, precedence Internetwork Control (ToS 0xC0), Router Alert (RFC 3376 4, RFC 2236 2).
std::vector<std::uint8_t> build_group_message(const IgmpSender& sender, IgmpType type, Ipv4 group);
std::vector<std::uint8_t> build_v3_report(const IgmpSender& sender, std::span<const GroupRecord> records);

// As many reports as it takes for no IP packet to pass `mtu` (RFC 3376 4.2.16): long source lists are split
// over records.
std::vector<std::vector<GroupRecord>> split_records(std::vector<GroupRecord> records, std::size_t mtu);

}  // namespace headgate::fastpath
