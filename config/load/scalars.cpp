#include "config/load/scalars.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

namespace headgate::config {
namespace {

using std::chrono::milliseconds;

tl::unexpected<std::string> wrong(std::string message) {
  return tl::unexpected<std::string>(std::move(message));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool all_of(std::string_view text, bool (*test)(char)) { return std::all_of(text.begin(), text.end(), test); }

bool is_hex_group(std::string_view text, std::size_t digits) {
  return text.size() == digits &&
         all_of(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); });
}

// 0000:3b:00.0, or 3b:00.0
bool is_pci_address(std::string_view text) {
  if (text.size() == 12 && is_hex_group(text.substr(0, 4), 4) && text[4] == ':') text.remove_prefix(5);
  return text.size() == 7 && is_hex_group(text.substr(0, 2), 2) && text[2] == ':' &&
         is_hex_group(text.substr(3, 2), 2) && text[5] == '.' && text[6] >= '0' && text[6] <= '7';
}

// As the kernel takes it (IFNAMSIZ 16 with the terminating zero).
bool is_link_name(std::string_view text) {
  return !text.empty() && text.size() <= 15 && text != "." && text != ".." &&
         all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != ':' && c != ','; });
}

Parsed<std::uint16_t> parse_port(std::string_view text) {
  const auto number = parse_number(text);
  if (!number || *number < 1 || *number > 65535) return wrong("");
  return static_cast<std::uint16_t>(*number);
}

}  // namespace

Parsed<std::string> parse_text(const Value& value) {
  if (value.is_null()) return wrong("has no value");
  if (!value.is_scalar()) return wrong(fmt::format("must be text, not {}", kind_name(value)));
  return value.text;
}

Parsed<std::uint64_t> parse_number(std::string_view text) {
  const bool hex = text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  if (!hex && text.size() > 1 && text[0] == '0' && all_of(text, is_digit)) {
    const std::size_t first = std::min(text.find_first_not_of('0'), text.size() - 1);
    return wrong(fmt::format("a leading zero is ambiguous (octal to some): write {}", text.substr(first)));
  }
  const std::string_view digits = hex ? text.substr(2) : text;
  std::uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, hex ? 16 : 10);
  if (error == std::errc::result_out_of_range && end == digits.data() + digits.size()) return UINT64_MAX;
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return wrong(fmt::format("must be a whole number, decimal or 0x hex, not '{}'", shown(text)));
  }
  return number;
}

Parsed<std::uint64_t> parse_integer(const Value& value, std::uint64_t min, std::uint64_t max) {
  if (value.is_null()) return wrong("has no value");
  if (!value.is_scalar()) return wrong(fmt::format("must be a number, not {}", kind_name(value)));
  const auto number = parse_number(value.text);
  if (!number) {
    return wrong(number.error().rfind("must", 0) == 0 ? number.error()
                                                      : fmt::format("is not clear: {}", number.error()));
  }
  if (value.quoted) return wrong(fmt::format("must be a number: write {} without quotes", value.text));
  if (*number < min || *number > max) {
    return wrong(min == max ? fmt::format("must be {}, not {}", min, shown(value.text))
                            : fmt::format("must be {} to {}, not {}", min, max, shown(value.text)));
  }
  return *number;
}

Parsed<bool> parse_boolean(const Value& value) {
  if (value.is_null()) return wrong("has no value: write true or false");
  if (!value.is_scalar()) return wrong(fmt::format("must be true or false, not {}", kind_name(value)));
  std::string text = value.text;
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (!value.quoted && text == "true") return true;
  if (!value.quoted && text == "false") return false;
  for (const char* yes : {"yes", "on", "y", "1", "true"}) {
    if (text == yes) return wrong("must be true or false: write true");
  }
  for (const char* no : {"no", "off", "n", "0", "false"}) {
    if (text == no) return wrong("must be true or false: write false");
  }
  return wrong(fmt::format("must be true or false, not '{}'", shown(value.text)));
}

Parsed<milliseconds> parse_duration(const Value& value, milliseconds min, milliseconds max) {
  if (value.is_null()) return wrong("has no value");
  if (!value.is_scalar()) return wrong(fmt::format("must be a time like 4s, not {}", kind_name(value)));
  const std::string& text = value.text;
  const std::size_t split = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view unit = std::string_view(text).substr(split);
  double amount = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + split, amount, std::chars_format::fixed);
  if (split == 0 || error != std::errc{} || end != text.data() + split) {
    return wrong(fmt::format("must be a time like 500ms, 4s, 5min, 2h or 7d, not '{}'", shown(text)));
  }
  if (unit.empty()) {
    return wrong(fmt::format("needs a unit: write {}{}", shown(text), amount >= 100 ? "ms" : "s"));
  }
  constexpr std::array<std::pair<std::string_view, double>, 6> kUnits{
      {{"ms", 1}, {"s", 1e3}, {"min", 6e4}, {"m", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}}};
  const auto* const known =
      std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& u) { return u.first == unit; });
  if (known == kUnits.end()) {
    return wrong(fmt::format("has the unknown unit '{}': write ms, s, min, h or d", shown(unit)));
  }
  const double total = std::round(amount * known->second);
  if (total < static_cast<double>(min.count()) || total > static_cast<double>(max.count())) {
    return wrong(
        fmt::format("must be {} to {}, not {}", format_duration(min), format_duration(max), shown(text)));
  }
  return milliseconds(static_cast<std::int64_t>(total));
}

std::string format_duration(milliseconds time) {
  const auto ms = time.count();
  if (ms % 86'400'000 == 0 && ms != 0) return fmt::format("{}d", ms / 86'400'000);
  if (ms % 3'600'000 == 0 && ms != 0) return fmt::format("{}h", ms / 3'600'000);
  if (ms % 60'000 == 0 && ms > 60'000) return fmt::format("{}min", ms / 60'000);
  if (ms % 1000 == 0) return fmt::format("{}s", ms / 1000);
  return fmt::format("{}ms", ms);
}

Parsed<std::uint64_t> parse_bitrate(const Value& value, std::uint64_t min, std::uint64_t max) {
  if (value.is_null()) return wrong("has no value");
  if (!value.is_scalar()) return wrong(fmt::format("must be a rate like 6Mbps, not {}", kind_name(value)));
  return parse_bitrate(std::string_view(value.text), min, max);
}

Parsed<std::uint64_t> parse_bitrate(std::string_view text, std::uint64_t min, std::uint64_t max) {
  const std::size_t split = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view unit = text.substr(split);
  double amount = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + split, amount, std::chars_format::fixed);
  if (split == 0 || error != std::errc{} || end != text.data() + split)
    return wrong(fmt::format("must be a rate like 6Mbps or 800kbps, not '{}'", shown(text)));
  if (unit.empty()) {
    return wrong(amount >= 100'000
                     ? fmt::format("needs a unit: write {}",
                                   format_bitrate(static_cast<std::uint64_t>(std::min(amount, 1e15))))
                     : fmt::format("needs a unit: write {}{}", shown(text), amount >= 200 ? "kbps" : "Mbps"));
  }
  constexpr std::array<std::pair<std::string_view, double>, 3> kUnits{
      {{"kbps", 1e3}, {"Mbps", 1e6}, {"Gbps", 1e9}}};
  const auto* const known =
      std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& u) { return u.first == unit; });
  if (known == kUnits.end())
    return wrong(fmt::format("has the unknown unit '{}': write kbps or Mbps, as in 6Mbps", shown(unit)));
  const double total = std::round(amount * known->second);
  if (total < static_cast<double>(min) || total > static_cast<double>(max)) {
    return wrong(
        fmt::format("must be {} to {}, not {}", format_bitrate(min), format_bitrate(max), shown(text)));
  }
  return static_cast<std::uint64_t>(total);
}

std::string format_bitrate(std::uint64_t bits) {
  if (bits % 1'000'000 == 0) return fmt::format("{}Mbps", bits / 1'000'000);
  return fmt::format("{}kbps", static_cast<double>(bits) / 1e3);
}

std::optional<std::uint32_t> parse_ipv4(std::string_view text) {
  in_addr address{};
  if (text.empty() || text.size() > 15 || text.find('\0') != std::string_view::npos) return {};
  if (inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return {};
  return ntohl(address.s_addr);
}

std::string format_ipv4(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 0xFF, address >> 8 & 0xFF, address & 0xFF);
}

bool is_ipv6(std::string_view text) {
  in6_addr address{};
  if (text.size() > 45 || text.find('\0') != std::string_view::npos) return false;
  return inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

// 0/8 and 240/4 (with the limited broadcast) are no host's address (RFC 6890).
bool is_unicast(std::uint32_t address) { return (address >> 24) != 0 && (address >> 28) < 0xE; }

bool is_id(std::string_view text) {
  const auto first = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); };
  return !text.empty() && text.size() <= 64 && first(text[0]) &&
         all_of(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '_' || c == '-'; });
}

Parsed<std::string> check_interface_name(std::string_view text) {
  if (!text.empty() && text.size() <= 32 && is_alnum(text[0]) &&
      all_of(text, [](char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; })) {
    return std::string(text);
  }
  return wrong(fmt::format(
      "'{}' can't name an interface: 1 to 32 of a-z A-Z 0-9 _ - ., a letter or digit first", shown(text)));
}

Parsed<std::string> check_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  if (is_ipv6(host)) return wrong(fmt::format("'{}': IPv6 addresses are not supported yet", shown(text)));
  const auto address = parse_ipv4(host);
  if (!address)
    return wrong(fmt::format("must be an address with its prefix, like 10.20.0.5/24, not '{}'", shown(text)));
  if (slash == std::string_view::npos) {
    return wrong(fmt::format("needs the prefix length of its network: write {}/24", host));
  }
  const auto length = parse_number(text.substr(slash + 1));
  if (!length || *length < 1 || *length > 32) {
    return wrong(fmt::format("has no valid prefix length: write {}/24", host));
  }
  if (!is_unicast(*address)) return wrong(fmt::format("must be a host's address, which {} is not", host));
  const std::uint32_t host_bits = *length == 32 ? 0 : UINT32_MAX >> *length;
  if (*length < 31 && ((*address & host_bits) == 0 || (*address & host_bits) == host_bits)) {
    return wrong(fmt::format("must be a host's address: {} is the {} address of its network", host,
                             (*address & host_bits) == 0 ? "first" : "broadcast"));
  }
  return std::string(text);
}

Parsed<std::string> check_device(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon);
  const std::string_view rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  const std::vector<std::string> kinds{"af_packet", "af_xdp", "memif", "pcap", "pci", "tap", "dpdk"};
  if (colon == std::string_view::npos || std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
    return wrong(
        fmt::format("'{}' is no device{}: write af_packet:eth1, af_xdp:eth1, pci:0000:3b:00.0, tap:NAME, "
                    "memif:PATH, pcap:FILE or dpdk:DEVARGS",
                    shown(text), suggestion(kind, kinds)));
  }
  if (text.size() > 87) return wrong("is longer than 87 characters");
  if (rest.empty() || !all_of(rest, [](char c) { return c > ' ' && c != 0x7f; })) {
    return wrong(fmt::format("'{}' needs a name without spaces after '{}:'", shown(text), kind));
  }
  if ((kind == "af_packet" || kind == "af_xdp" || kind == "tap") && !is_link_name(rest)) {
    return wrong(fmt::format("'{}': '{}' can't name a network interface", shown(text), shown(rest)));
  }
  if (kind == "pci" && !is_pci_address(rest.substr(0, rest.find(',')))) {
    return wrong(fmt::format("'{}' is no PCI address: write pci:0000:3b:00.0", shown(text)));
  }
  return std::string(text);
}

Parsed<std::string> check_listen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos) {
    const std::string_view host = text.substr(0, colon);
    const bool v6 = host.size() > 2 && host.front() == '[' && host.back() == ']' &&
                    is_ipv6(host.substr(1, host.size() - 2));
    if ((v6 || parse_ipv4(host)) && parse_port(text.substr(colon + 1))) return std::string(text);
  }
  return wrong(
      fmt::format("must be an address and a port of 1 to 65535, like \"[::]:8080\" or \"127.0.0.1:8080\", "
                  "not '{}'",
                  shown(text)));
}

// Who else may be reached is the receiver's and the firewall's matter; a secret in it is not shown.
Parsed<std::string> check_webhook_url(std::string_view text) {
  constexpr std::size_t kMax = 2048;
  const std::size_t scheme = text.rfind("https://", 0) == 0 ? 8 : text.rfind("http://", 0) == 0 ? 7 : 0;
  if (scheme == 0) return wrong("must begin with https:// or http://");
  const std::string_view host = text.substr(scheme, text.find_first_of("/?", scheme) - scheme);
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (host.empty() || !plain || text.size() > kMax)
    return wrong("must be a URL like https://noc.example.net/hook");
  if (host.find('@') != std::string_view::npos)
    return wrong("must not hold a user or password: sign with secret_file");
  return std::string(text);
}

Parsed<std::string> check_absolute_path(std::string_view text) {
  if (text.empty() || text[0] != '/')
    return wrong(fmt::format("must be an absolute path, not '{}'", shown(text)));
  // A control socket's path below it must fit sockaddr_un (108 bytes).
  if (text.size() > 80) return wrong(fmt::format("is longer than 80 characters ({})", text.size()));
  std::string path(text);
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path == "/") return wrong("can't be the root directory");
  return path;
}

Parsed<std::string> check_node_name(std::string_view text) {
  if (!text.empty() && text.size() <= 64 && is_alnum(text[0]) &&
      all_of(text, [](char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; })) {
    return std::string(text);
  }
  return wrong(
      fmt::format("must be 1 to 64 of a-z A-Z 0-9 _ - ., a letter or digit first, not '{}'", shown(text)));
}

namespace {

Parsed<std::string> check_line(std::string_view text, std::size_t longest, const char* what) {
  const bool printable = std::none_of(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (text.empty() || text.size() > longest || !printable)
    return wrong(fmt::format("must be 1 to {} bytes of {} on one line", longest, what));
  return std::string(text);
}

}  // namespace

Parsed<std::string> check_title(std::string_view text) { return check_line(text, 128, "text"); }
// PATH_MAX with the terminating zero.
Parsed<std::string> check_file(std::string_view text) { return check_line(text, 4095, "a file's path"); }

// What SRTO_STREAMID holds.
Parsed<std::string> check_stream_id(std::string_view text) {
  constexpr std::size_t kMax = 512;
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
  if (text.empty() || text.size() > kMax || !printable)
    return wrong(fmt::format("must be 1 to {} printable ASCII characters", kMax));
  return std::string(text);
}

std::string text_schema(Parsed<std::string> (*check)(std::string_view)) {
  const std::pair<decltype(check), const char*> patterns[] = {
      {check_interface_name, "^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$"},
      {check_prefix, R"(^[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+/[0-9]+$)"},
      {check_device, R"(^(af_packet|af_xdp|memif|pcap|pci|tap|dpdk):[^\\s]+$)"},
      {check_listen,
       R"(^([0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+|\\[[0-9A-Fa-f:.]+\\]):(0[xX][0-9A-Fa-f]+|[1-9][0-9]*)$)"},
      {check_webhook_url, "^https?://[^@/?]+([/?]|$)"},
      {check_absolute_path, "^/.*[^/]"},
      {check_node_name, "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"},
  };
  for (const auto& [known, pattern] : patterns) {
    if (known == check) return fmt::format(R"({{"type":"string","pattern":"{}"}})", pattern);
  }
  // The parser takes a bare number for its text, too.
  return R"({"type":["string","number","boolean"],"not":{"const":""}})";
}

bool is_host(std::string_view text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']')
    return is_ipv6(text.substr(1, text.size() - 2));
  // RFC 1123 clause 2.1; underscores are in use all the same.
  return !text.empty() && text.size() <= 253 && text.front() != '-' && text.front() != '.' &&
         all_of(text, [](char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_'; });
}

}  // namespace headgate::config
