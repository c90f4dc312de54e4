#include "dataplane/bridge/srt/stream_id.h"

#include <algorithm>
#include <optional>

#include "dataplane/bridge/net/text.h"

namespace headgate::bridge::srt {
namespace {

using Error = StreamIdError;

std::optional<std::string> decode(std::string_view text) {
  auto out = net::percent_decoded(text);
  if (out && net::has_control(*out)) return std::nullopt;
  return out;
}

// "key=SECRET&token=T": others are let pass, for callers add what their addresses carry.
bool parse_query(std::string_view query, StreamId& out) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = pair.substr(0, equals);
    std::string* place = name == "key" ? &out.key : name == "token" ? &out.token : nullptr;
    if (place == nullptr) continue;
    auto value = decode(pair.substr(equals + 1));
    if (!value || !place->empty()) return false;
    *place = std::move(*value);
  }
  return true;
}

// CHANNEL, or CHANNEL?QUERY.
tl::expected<void, Error> parse_resource(std::string_view text, StreamId& out) {
  const std::size_t question = text.find('?');
  auto channel = decode(text.substr(0, question));
  if (!channel) return tl::unexpected(Error::malformed);
  if (channel->empty()) return tl::unexpected(Error::missing);
  out.channel = std::move(*channel);
  if (question != std::string_view::npos && !parse_query(text.substr(question + 1), out)) {
    return tl::unexpected(Error::malformed);
  }
  return {};
}

tl::expected<Mode, Error> parse_mode(std::string_view text) {
  if (text == "request") return Mode::request;
  if (text == "publish") return Mode::publish;
  if (text == "bidirectional") return Mode::bidirectional;
  return tl::unexpected(Error::mode);
}

tl::expected<void, Error> parse_pair(std::string_view key, std::string_view value, StreamId& out) {
  if (key == "r") return parse_resource(value, out);
  if (key == "m") {
    const auto mode = parse_mode(value);
    if (!mode) return tl::unexpected(mode.error());
    out.mode = *mode;
  } else if (key == "t") {
    if (value != "stream") return tl::unexpected(Error::not_a_stream);
  } else {
    // u, h, s and keys of other makers' own say nothing that decides here.
    auto decoded = decode(value);
    if (!decoded) return tl::unexpected(Error::malformed);
    if (key == "u") out.user = std::move(*decoded);
  }
  return {};
}

tl::expected<StreamId, Error> parse_keys(std::string_view content) {
  StreamId out;
  unsigned seen = 0;  // a bit for each letter: a key that comes twice could be read in two ways
  while (!content.empty()) {
    const std::string_view pair = content.substr(0, content.find(','));
    content.remove_prefix(std::min(content.size(), pair.size() + 1));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) return tl::unexpected(Error::malformed);
    const std::string_view key = pair.substr(0, equals);
    if (key.size() == 1 && key[0] >= 'a' && key[0] <= 'z') {
      const unsigned bit = 1U << static_cast<unsigned>(key[0] - 'a');
      if ((seen & bit) != 0) return tl::unexpected(Error::malformed);
      seen |= bit;
    }
    if (auto taken = parse_pair(key, pair.substr(equals + 1), out); !taken) {
      return tl::unexpected(taken.error());
    }
  }
  if (out.channel.empty()) return tl::unexpected(Error::missing);
  return out;
}

}  // namespace

tl::expected<StreamId, StreamIdError> parse_stream_id(std::string_view text) {
  if (text.size() > kMaxStreamId) return tl::unexpected(Error::too_long);
  if (text.empty()) return tl::unexpected(Error::missing);
  if (net::has_control(text)) return tl::unexpected(Error::malformed);
  // "#" ends an address, so callers escape it and some don't take the escape back.
  for (const std::string_view start : {"#!", "%23!", "%23%21"}) {
    if (!text.starts_with(start)) continue;
    text.remove_prefix(start.size());
    // The guidelines write both "#!:" and, with the content's own colon, "#!::"; callers send the second.
    if (text.starts_with("::")) return parse_keys(text.substr(2));
    return tl::unexpected(Error::malformed);
  }
  StreamId out;
  if (text.starts_with("publish:")) {
    out.mode = Mode::publish;
    text.remove_prefix(8);
  }
  if (auto taken = parse_resource(text, out); !taken) return tl::unexpected(taken.error());
  return out;
}

std::string without_query(std::string_view text) {
  // Escaped it is no query, but may have been meant for one.
  const std::size_t end = std::min({text.find('?'), text.find("%3F"), text.find("%3f")});
  return net::printable(text.substr(0, end), kMaxStreamId);
}

}  // namespace headgate::bridge::srt
