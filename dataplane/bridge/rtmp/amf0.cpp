#include "dataplane/bridge/rtmp/amf0.h"

#include <algorithm>
#include <bit>

namespace headgate::bridge::rtmp {
namespace {

class Parser {
 public:
  Parser(std::span<const std::uint8_t> bytes, const Amf0Limits& limits) : bytes_(bytes), limits_(limits) {}

  bool at_end() const { return bytes_.empty(); }

  tl::expected<Amf0Value, Amf0Error> value(std::size_t depth) {
    if (depth > limits_.depth) return tl::unexpected(Amf0Error::too_deep);
    if (++values_ > limits_.values) return tl::unexpected(Amf0Error::too_many_values);
    if (bytes_.empty()) return tl::unexpected(Amf0Error::truncated);
    Amf0Value out;
    out.type = static_cast<Amf0Type>(bytes_[0]);
    bytes_ = bytes_.subspan(1);
    bool good = true;
    switch (out.type) {
      case Amf0Type::number:
        good = number(out.number);
        break;
      case Amf0Type::boolean:
        good = boolean(out.number);
        break;
      case Amf0Type::string:
        good = text(out.text, 2);
        break;
      case Amf0Type::long_string:
        out.type = Amf0Type::string;
        good = text(out.text, 4);
        break;
      case Amf0Type::xml:
        good = text(out.text, 4);
        break;
      case Amf0Type::date:  // 2.13: milliseconds, and a time zone that has no meaning
        good = number(out.number) && skip(2);
        break;
      case Amf0Type::null:
      case Amf0Type::undefined:
      case Amf0Type::unsupported:
        break;
      case Amf0Type::typed_object:
        if (!text(out.text, 2)) return tl::unexpected(Amf0Error::truncated);
        return members(std::move(out), depth);
      case Amf0Type::ecma_array:
        if (!skip(4)) return tl::unexpected(Amf0Error::truncated);
        return members(std::move(out), depth);
      case Amf0Type::object:
        return members(std::move(out), depth);
      case Amf0Type::strict_array:
        return elements(std::move(out), depth);
      default:
        return tl::unexpected(Amf0Error::unknown_marker);
    }
    if (!good) return tl::unexpected(Amf0Error::truncated);
    return out;
  }

 private:
  bool skip(std::size_t count) {
    if (bytes_.size() < count) return false;
    bytes_ = bytes_.subspan(count);
    return true;
  }

  bool integer(std::size_t count, std::uint64_t& out) {
    if (bytes_.size() < count) return false;
    out = 0;
    for (std::size_t i = 0; i < count; ++i) out = out << 8 | bytes_[i];
    return skip(count);
  }

  bool number(double& out) {
    std::uint64_t bits = 0;
    if (!integer(8, bits)) return false;
    out = std::bit_cast<double>(bits);
    return true;
  }

  bool boolean(double& out) {
    std::uint64_t value = 0;
    if (!integer(1, value)) return false;
    out = value != 0 ? 1 : 0;
    return true;
  }

  bool text(std::string& out, std::size_t length_bytes) {
    std::uint64_t length = 0;
    if (!integer(length_bytes, length) || bytes_.size() < length) return false;
    out.assign(reinterpret_cast<const char*>(bytes_.data()), length);
    return skip(length);
  }

  // 2.5: an empty name and the end marker close an object.
  tl::expected<Amf0Value, Amf0Error> members(Amf0Value out, std::size_t depth) {
    while (true) {
      std::string name;
      if (!text(name, 2) || bytes_.empty()) return tl::unexpected(Amf0Error::truncated);
      if (name.empty() && bytes_[0] == static_cast<std::uint8_t>(Amf0Type::object_end)) {
        bytes_ = bytes_.subspan(1);
        return out;
      }
      auto member = value(depth + 1);
      if (!member) return tl::unexpected(member.error());
      out.members.push_back({std::move(name), std::move(*member)});
    }
  }

  tl::expected<Amf0Value, Amf0Error> elements(Amf0Value out, std::size_t depth) {
    std::uint64_t count = 0;
    if (!integer(4, count)) return tl::unexpected(Amf0Error::truncated);
    for (std::uint64_t i = 0; i < count; ++i) {
      auto element = value(depth + 1);
      if (!element) return tl::unexpected(element.error());
      out.members.push_back({std::string(), std::move(*element)});
    }
    return out;
  }

  std::span<const std::uint8_t> bytes_;
  const Amf0Limits& limits_;
  std::size_t values_ = 0;
};

}  // namespace

const Amf0Value* Amf0Value::find(std::string_view name) const {
  if (!is_object()) return nullptr;
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const auto& m) { return m.name == name; });
  return found == members.end() ? nullptr : &found->value;
}

std::string_view Amf0Value::text_of(std::string_view name) const {
  const Amf0Value* member = find(name);
  return member != nullptr && member->type == Amf0Type::string ? std::string_view(member->text)
                                                               : std::string_view();
}

double Amf0Value::number_of(std::string_view name) const {
  const Amf0Value* member = find(name);
  return member != nullptr && member->type == Amf0Type::number ? member->number : 0;
}

tl::expected<std::vector<Amf0Value>, Amf0Error> parse_amf0(std::span<const std::uint8_t> bytes,
                                                           const Amf0Limits& limits) {
  Parser parser(bytes, limits);
  std::vector<Amf0Value> out;
  while (!parser.at_end()) {
    auto value = parser.value(0);
    if (!value) return tl::unexpected(value.error());
    out.push_back(std::move(*value));
  }
  return out;
}

void Amf0Writer::put(std::uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

void Amf0Writer::text(std::string_view value, int length_bytes) {
  put(value.size(), length_bytes);
  bytes_.insert(bytes_.end(), value.begin(), value.end());
}

Amf0Writer& Amf0Writer::number(double value) {
  put(static_cast<std::uint8_t>(Amf0Type::number), 1);
  put(std::bit_cast<std::uint64_t>(value), 8);
  return *this;
}

Amf0Writer& Amf0Writer::boolean(bool value) {
  put(static_cast<std::uint8_t>(Amf0Type::boolean), 1);
  put(value ? 1 : 0, 1);
  return *this;
}

Amf0Writer& Amf0Writer::string(std::string_view value) {
  const bool is_long = value.size() > 0xFFFF;
  put(static_cast<std::uint8_t>(is_long ? Amf0Type::long_string : Amf0Type::string), 1);
  text(value, is_long ? 4 : 2);
  return *this;
}

Amf0Writer& Amf0Writer::null() {
  put(static_cast<std::uint8_t>(Amf0Type::null), 1);
  return *this;
}

Amf0Writer& Amf0Writer::object() {
  put(static_cast<std::uint8_t>(Amf0Type::object), 1);
  return *this;
}

Amf0Writer& Amf0Writer::ecma_array(std::uint32_t count) {
  put(static_cast<std::uint8_t>(Amf0Type::ecma_array), 1);
  put(count, 4);
  return *this;
}

Amf0Writer& Amf0Writer::strict_array(std::uint32_t count) {
  put(static_cast<std::uint8_t>(Amf0Type::strict_array), 1);
  put(count, 4);
  return *this;
}

Amf0Writer& Amf0Writer::key(std::string_view name) {
  text(name.substr(0, 0xFFFF), 2);
  return *this;
}

Amf0Writer& Amf0Writer::end() {
  put(static_cast<std::uint8_t>(Amf0Type::object_end), 3);
  return *this;
}

}  // namespace headgate::bridge::rtmp
