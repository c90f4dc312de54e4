// Values of the map from text: numbers, switches, times, addresses. Pure: each gives a value, or what is
// wrong and how to write it. Messages begin where "KEY " ends. Threading: thread-safe (no state).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "config/load/yaml_tree.h"

namespace headgate::config {

template <class T>
using Parsed = tl::expected<T, std::string>;

Parsed<std::string> parse_text(const Value& value);
// Decimal or 0x. Leading zeros (octal in YAML 1.1) and quotes are refused.
Parsed<std::uint64_t> parse_integer(const Value& value, std::uint64_t min, std::uint64_t max);
Parsed<std::uint64_t> parse_number(std::string_view text);
Parsed<bool> parse_boolean(const Value& value);
// 500ms, 2s, 5min, 2h, 7d. The unit is required.
Parsed<std::chrono::milliseconds> parse_duration(const Value& value, std::chrono::milliseconds min,
                                                 std::chrono::milliseconds max);
std::string format_duration(std::chrono::milliseconds time);
// 6Mbps, 800kbps, in bit/s. The unit is required.
Parsed<std::uint64_t> parse_bitrate(const Value& value, std::uint64_t min, std::uint64_t max);
Parsed<std::uint64_t> parse_bitrate(std::string_view text, std::uint64_t min, std::uint64_t max);
std::string format_bitrate(std::uint64_t bits_per_second);

// In host byte order.
std::optional<std::uint32_t> parse_ipv4(std::string_view text);
std::string format_ipv4(std::uint32_t address);
bool is_ipv6(std::string_view text);
inline bool is_multicast(std::uint32_t address) { return (address >> 28) == 0xE; }
bool is_unicast(std::uint32_t address);

bool is_id(std::string_view text);  // of a channel: [a-z0-9][a-z0-9_-]{0,63}
Parsed<std::string> check_interface_name(std::string_view text);
Parsed<std::string> check_prefix(std::string_view text);  // 10.20.0.5/24
Parsed<std::string> check_device(std::string_view text);  // af_packet:eth1, ...
Parsed<std::string> check_listen(std::string_view text);  // [::]:8080, 127.0.0.1:9470
Parsed<std::string> check_webhook_url(std::string_view text);
Parsed<std::string> check_absolute_path(std::string_view text);
Parsed<std::string> check_node_name(std::string_view text);
Parsed<std::string> check_title(std::string_view text);      // a channel's name, a tag
Parsed<std::string> check_file(std::string_view text);       // a path that may be relative
Parsed<std::string> check_stream_id(std::string_view text);  // of SRT
// JSON Schema of what one of these checks takes, as far as a pattern tells it.
std::string text_schema(Parsed<std::string> (*check)(std::string_view text));
bool is_host(std::string_view text);  // a name, an IPv4 address or [an IPv6 address]

}  // namespace headgate::config
