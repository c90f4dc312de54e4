#include "dataplane/bridge/http/target.h"

#include <algorithm>
#include <charconv>

#include "dataplane/bridge/net/text.h"

namespace headgate::bridge::http {
namespace {

// Nothing where it is no segment that routing may see. A decoded slash or backslash would split one.
std::optional<std::string> decode(std::string_view text) {
  auto out = net::percent_decoded(text);
  const bool bad = !out || net::has_control(*out) || out->find_first_of("/\\") != std::string::npos;
  if (bad || *out == "." || *out == "..") return std::nullopt;
  return out;
}

std::optional<std::size_t> number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Target> parse_target(std::string_view target) {
  if (target.empty() || target[0] != '/' || target.size() > kMaxTarget) return std::nullopt;
  const std::size_t end = target.find_first_of("?#");
  if (end != std::string_view::npos && target[end] == '#') return std::nullopt;
  std::string_view path = target.substr(1, end == std::string_view::npos ? end : end - 1);
  Target parsed;
  while (true) {
    const std::size_t slash = path.find('/');
    auto segment = decode(path.substr(0, slash));
    if (!segment || (slash != std::string_view::npos && segment->empty())) return std::nullopt;
    parsed.segments.push_back(std::move(*segment));
    if (slash == std::string_view::npos) return parsed;
    path.remove_prefix(slash + 1);
  }
}

bool matches_etag(std::string_view header, std::string_view etag) {
  while (!header.empty()) {
    const std::size_t comma = header.find(',');
    std::string_view tag = header.substr(0, comma);
    while (!tag.empty() && (tag.front() == ' ' || tag.front() == '\t')) tag.remove_prefix(1);
    while (!tag.empty() && (tag.back() == ' ' || tag.back() == '\t')) tag.remove_suffix(1);
    if (tag == "*") return true;
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (!tag.empty() && tag == etag) return true;
    if (comma == std::string_view::npos) return false;
    header.remove_prefix(comma + 1);
  }
  return false;
}

ByteRange parse_range(std::string_view header, std::size_t size) {
  ByteRange whole{ByteRange::Kind::whole, 0, size};
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit) || header.find(',') != std::string_view::npos) return whole;
  header.remove_prefix(kUnit.size());
  const std::size_t dash = header.find('-');
  if (dash == std::string_view::npos) return whole;
  const std::string_view left = header.substr(0, dash);
  const std::string_view right = header.substr(dash + 1);
  const ByteRange nothing{ByteRange::Kind::unsatisfiable, 0, 0};
  if (left.empty()) {  // the last N bytes
    const auto last = number(right);
    if (!last) return whole;
    if (*last == 0 || size == 0) return nothing;
    const std::size_t length = std::min(*last, size);
    return {ByteRange::Kind::part, size - length, length};
  }
  const auto first = number(left);
  if (!first) return whole;
  std::size_t end = size == 0 ? 0 : size - 1;
  if (!right.empty()) {
    const auto last = number(right);
    if (!last || *last < *first) return whole;
    end = std::min(end, *last);
  }
  if (*first >= size) return nothing;
  return {ByteRange::Kind::part, *first, end - *first + 1};
}

}  // namespace headgate::bridge::http
