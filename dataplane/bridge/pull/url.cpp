#include "dataplane/bridge/pull/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "dataplane/bridge/net/text.h"

namespace headgate::bridge::pull {
namespace {

using Failure = tl::unexpected<std::string>;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// RFC 3986 3.1; "" where the text begins with none.
std::string_view scheme_of(std::string_view text) {
  if (text.empty() || !is_letter(text[0])) return {};
  for (std::size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ':') return text.substr(0, i);
    if (!is_letter(c) && !is_digit(c) && c != '+' && c != '-' && c != '.') return {};
  }
  return {};
}

// What may not stand in a request line is written by its code; control characters are refused before.
std::string encoded(std::string_view text) {
  static constexpr std::string_view kUnsafe = " \"<>\\^`{|}";
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80 || kUnsafe.find(c) != std::string_view::npos) {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

// RFC 3986 5.2.4, of a path that begins with a slash.
std::string remove_dot_segments(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(0, end);
    const bool last = end == path.size();
    path.remove_prefix(end);
    if (segment == "/.") {
      if (last) out += '/';
    } else if (segment == "/..") {
      const std::size_t slash = out.rfind('/');
      out.erase(slash == std::string::npos ? 0 : slash);
      if (last) out += '/';
    } else {
      out += segment;
    }
  }
  return out.empty() ? "/" : out;
}

std::string make_target(std::string_view path, std::string_view query) {
  return encoded(remove_dot_segments(path.empty() ? "/" : path)) + encoded(query);
}

// "" or why not.
std::string read_host(std::string_view text, Url& url) {
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return "the IPv6 address has no closing bracket";
    const std::string_view address = text.substr(1, end - 1);
    if (address.find(':') == std::string_view::npos ||
        !std::all_of(address.begin(), address.end(),
                     [](char c) { return net::hex_value(c) >= 0 || c == ':' || c == '.'; })) {
      return "what stands in brackets is no IPv6 address";
    }
    url.host = lower(address);
    text.remove_prefix(end + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    url.host = lower(text.substr(0, colon));
    text.remove_prefix(colon);
    if (url.host.empty()) return "the host is missing";
    if (url.host.size() > 253) return "the host's name has more than 253 characters";  // RFC 1035 2.3.4
    if (!std::all_of(url.host.begin(), url.host.end(), [](char c) {
          return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
        })) {
      return "the host's name has characters that no name has";
    }
  }
  url.port = url.tls ? 443 : 80;
  if (text.empty() || text == ":") return "";
  const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), url.port);
  if (text[0] != ':' || error != std::errc{} || end != text.data() + text.size() || url.port == 0) {
    return "the port must be 1 to 65535";
  }
  return "";
}

std::string read_credentials(std::string_view text, Url& url) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  const auto user = net::percent_decoded(text.substr(0, colon));
  const auto password =
      net::percent_decoded(colon < text.size() ? text.substr(colon + 1) : std::string_view());
  if (!user || !password) return "user or password have a '%' without two hex digits behind it";
  if (net::has_control(*user) || net::has_control(*password))
    return "user or password have control characters";
  // RFC 7617 2: it would be taken for the separator.
  if (user->find(':') != std::string::npos) return "the user's name has a colon";
  url.has_credentials = true;
  url.user = *user;
  url.password = *password;
  return "";
}

// What is behind "scheme://".
tl::expected<Url, std::string> read_hierarchy(bool tls, std::string_view rest) {
  Url url;
  url.tls = tls;
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, end);
  rest.remove_prefix(end);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    if (std::string why = read_credentials(authority.substr(0, at), url); !why.empty()) return Failure(why);
    authority.remove_prefix(at + 1);
  }
  if (std::string why = read_host(authority, url); !why.empty()) return Failure(why);
  const std::size_t question = std::min(rest.find('?'), rest.size());
  url.target = make_target(rest.substr(0, question), rest.substr(question));
  return url;
}

std::string_view without_fragment(std::string_view text) { return text.substr(0, text.find('#')); }

// "" or why not.
std::string check_text(std::string_view text) {
  if (text.size() > kMaxUrl) return fmt::format("an address has more than {} characters", kMaxUrl);
  if (net::has_control(text)) return "an address has control characters";
  return "";
}

}  // namespace

std::string Url::authority() const {
  std::string out = host.find(':') != std::string::npos ? "[" + host + "]" : host;
  if (port != (tls ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

std::string Url::shown() const {
  return std::string(tls ? "https://" : "http://") + authority() + target.substr(0, target.find('?'));
}

std::string Url::authorization() const {
  if (!has_credentials) return "";
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string plain = user + ":" + password;
  std::string out = "Basic ";
  for (std::size_t i = 0; i < plain.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, plain.size() - i);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (k < count ? static_cast<unsigned char>(plain[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) out += k <= count ? kDigits[bits >> (18 - 6 * k) & 63U] : '=';
  }
  return out;
}

tl::expected<Url, std::string> parse_url(std::string_view text) {
  if (std::string why = check_text(text); !why.empty()) return Failure(why);
  text = without_fragment(text);
  const std::string scheme = lower(scheme_of(text));
  if (scheme != "http" && scheme != "https") return Failure("an address must begin with http:// or https://");
  text.remove_prefix(scheme.size() + 1);
  if (!text.starts_with("//")) return Failure("an address must begin with http:// or https://");
  return read_hierarchy(scheme == "https", text.substr(2));
}

tl::expected<Url, std::string> resolve(const Url& base, std::string_view reference) {
  if (std::string why = check_text(reference); !why.empty()) return Failure(why);
  reference = without_fragment(reference);
  tl::expected<Url, std::string> out = base;
  const std::string_view base_path = std::string_view(base.target).substr(0, base.target.find('?'));
  if (!scheme_of(reference).empty()) {
    out = parse_url(reference);
  } else if (reference.starts_with("//")) {
    out = read_hierarchy(base.tls, reference.substr(2));
  } else if (!reference.empty()) {
    const std::size_t question = std::min(reference.find('?'), reference.size());
    const std::string_view path = reference.substr(0, question);
    const std::string_view query = reference.substr(question);
    if (path.empty()) {
      out->target = std::string(base_path) + encoded(query);
    } else if (path.starts_with('/')) {
      out->target = make_target(path, query);
    } else {
      const std::string_view folder = base_path.substr(0, base_path.rfind('/') + 1);
      out->target = make_target(std::string(folder) + std::string(path), query);
    }
  }
  if (!out) return out;
  if (out->target.size() > kMaxUrl)
    return Failure(fmt::format("an address has more than {} characters", kMaxUrl));
  if (!out->has_credentials && out->same_server(base)) {
    out->has_credentials = base.has_credentials;
    out->user = base.user;
    out->password = base.password;
  }
  return out;
}

}  // namespace headgate::bridge::pull
