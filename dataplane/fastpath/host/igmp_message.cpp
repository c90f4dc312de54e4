#include "dataplane/fastpath/host/igmp_message.h"

#include <algorithm>

namespace headgate::fastpath {
namespace {

constexpr std::uint8_t kTtl = 1;
constexpr std::uint8_t kTos = 0xC0;
constexpr std::size_t kIpHeader = 24;
constexpr std::size_t kReportHeader = 8;
constexpr std::size_t kRecordHeader = 8;

std::optional<IgmpMessage> parse_query(Bytes message) {
  IgmpQuery query;
  query.group.value = get32(message, 4);
  if (query.group.value != 0 && !query.group.is_multicast()) return std::nullopt;
  if (message.size() < 12) {
    if (message.size() != 8) return std::nullopt;  // RFC 3376 7.1: of no version, ignored silently
    query.version = message[1] == 0 ? 1 : 2;
    // RFC 2236 4: a version 1 query means 10 seconds.
    query.max_response = std::chrono::milliseconds(message[1] == 0 ? 10'000 : message[1] * 100);
    return query;
  }
  query.version = 3;
  query.max_response = std::chrono::milliseconds(decode_igmp_code(message[1]) * 100);
  query.robustness = message[8] & 0x07;
  query.querier_interval = std::chrono::seconds(decode_igmp_code(message[9]));
  const std::size_t count = get16(message, 10);
  if (message.size() < 12 + 4 * count) return std::nullopt;
  query.sources.reserve(count);
  for (std::size_t i = 0; i < count; ++i) query.sources.push_back({get32(message, 12 + 4 * i)});
  if (query.group.value == 0 && count != 0) return std::nullopt;
  return query;
}

std::optional<IgmpMessage> parse_v3_report(Bytes message) {
  Igmpv3Report report;
  const std::size_t count = get16(message, 6);
  Bytes rest = message.subspan(8);
  for (std::size_t i = 0; i < count; ++i) {
    if (rest.size() < kRecordHeader) return std::nullopt;
    const std::size_t sources = get16(rest, 2);
    const std::size_t size = kRecordHeader + 4 * sources + 4 * std::size_t{rest[1]};
    if (size > rest.size()) return std::nullopt;
    if (rest[0] >= 1 && rest[0] <= 6) {  // RFC 3376 4.2.12: other types are ignored
      GroupRecord record{static_cast<RecordType>(rest[0]), {get32(rest, 4)}, {}};
      for (std::size_t s = 0; s < sources; ++s)
        record.sources.push_back({get32(rest, kRecordHeader + 4 * s)});
      report.records.push_back(std::move(record));
    }
    rest = rest.subspan(size);
  }
  return report;
}

std::vector<std::uint8_t> build(const IgmpSender& sender, Ipv4 destination,
                                std::vector<std::uint8_t> message) {
  const std::uint16_t checksum = internet_checksum(message);
  message[2] = static_cast<std::uint8_t>(checksum >> 8);
  message[3] = static_cast<std::uint8_t>(checksum);
  std::vector<std::uint8_t> frame;
  frame.reserve(18 + kIpHeader + message.size());
  put_ethernet(frame, multicast_mac(destination), sender.mac, sender.vlan, kEtherTypeIpv4);
  put_ipv4(frame, {sender.address, destination, kTtl, kProtocolIgmp, kTos, true}, message.size());
  frame.insert(frame.end(), message.begin(), message.end());
  return frame;
}

}  // namespace

std::optional<IgmpMessage> parse_igmp(Bytes message) {
  if (message.size() < 8 || internet_checksum(message) != 0) return std::nullopt;
  switch (static_cast<IgmpType>(message[0])) {
    case IgmpType::query:
      return parse_query(message);
    case IgmpType::v1_report:
    case IgmpType::v2_report:
    case IgmpType::v2_leave:
      return IgmpGroupMessage{static_cast<IgmpType>(message[0]), {get32(message, 4)}};
    case IgmpType::v3_report:
      return parse_v3_report(message);
  }
  return std::nullopt;
}

std::vector<std::uint8_t> build_group_message(const IgmpSender& sender, IgmpType type, Ipv4 group) {
  std::vector<std::uint8_t> message{static_cast<std::uint8_t>(type), 0, 0, 0};
  put32(message, group.value);
  return build(sender, type == IgmpType::v2_leave ? kAllRouters : group, std::move(message));
}

std::vector<std::uint8_t> build_v3_report(const IgmpSender& sender, std::span<const GroupRecord> records) {
  std::vector<std::uint8_t> message{static_cast<std::uint8_t>(IgmpType::v3_report), 0, 0, 0, 0, 0};
  put16(message, static_cast<std::uint16_t>(records.size()));
  for (const GroupRecord& record : records) {
    message.push_back(static_cast<std::uint8_t>(record.type));
    message.push_back(0);
    put16(message, static_cast<std::uint16_t>(record.sources.size()));
    put32(message, record.group.value);
    for (const Ipv4 source : record.sources) put32(message, source.value);
  }
  return build(sender, kIgmpv3Routers, std::move(message));
}

std::vector<std::vector<GroupRecord>> split_records(std::vector<GroupRecord> records, std::size_t mtu) {
  const std::size_t room = std::max(mtu, std::size_t{576}) - kIpHeader - kReportHeader;
  const std::size_t most_sources = (room - kRecordHeader) / 4;
  std::vector<std::vector<GroupRecord>> reports;
  std::size_t used = room;
  const auto add = [&](GroupRecord record) {
    const std::size_t size = kRecordHeader + 4 * record.sources.size();
    if (used + size > room) {
      reports.emplace_back();
      used = 0;
    }
    used += size;
    reports.back().push_back(std::move(record));
  };
  for (GroupRecord& record : records) {
    while (record.sources.size() > most_sources) {
      const auto begin = record.sources.end() - static_cast<std::ptrdiff_t>(most_sources);
      add({record.type, record.group, std::vector<Ipv4>(begin, record.sources.end())});
      record.sources.erase(begin, record.sources.end());
    }
    add(std::move(record));
  }
  return reports;
}

}  // namespace headgate::fastpath
