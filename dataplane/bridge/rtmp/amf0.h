// Values of AMF0, in which RTMP's commands and metadata are written. Reference: Adobe AMF0 specification
// (2007), 2. Counts and lengths are never trusted: an ECMA array ends where its end marker stands.
// References to earlier objects (marker 7) and AMF3 values (marker 17) are refused: no player was seen to
// send them where AMF0 was agreed on. Threading: pure functions, values. Memory: Amf0Limits.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace headgate::bridge::rtmp {

enum class Amf0Type : std::uint8_t {
  number = 0,
  boolean = 1,
  string = 2,
  object = 3,
  null = 5,
  undefined = 6,
  reference = 7,
  ecma_array = 8,
  object_end = 9,
  strict_array = 10,
  date = 11,
  long_string = 12,
  unsupported = 13,
  xml = 15,
  typed_object = 16,
  avmplus = 17,
};

struct Amf0Limits {
  std::size_t depth = 16;
  std::size_t values = 1024;  // of a message, nested ones counted
};

struct Amf0Member;

struct Amf0Value {
  Amf0Type type = Amf0Type::undefined;  // long_string is read as string
  double number = 0;                    // number, date; boolean: 0 or 1
  std::string text;                     // string, xml; typed_object: the class
  std::vector<Amf0Member> members;      // in order; strict arrays: names empty

  bool is_object() const {
    return type == Amf0Type::object || type == Amf0Type::ecma_array || type == Amf0Type::typed_object;
  }
  const Amf0Value* find(std::string_view name) const;
  // Of a member, or "" and 0 where it is absent or of another type.
  std::string_view text_of(std::string_view name) const;
  double number_of(std::string_view name) const;
};

struct Amf0Member {
  std::string name;
  Amf0Value value;
};

enum class Amf0Error : std::uint8_t { truncated, unknown_marker, too_deep, too_many_values };

// All values of a message's body.
tl::expected<std::vector<Amf0Value>, Amf0Error> parse_amf0(std::span<const std::uint8_t> bytes,
                                                           const Amf0Limits& limits = {});

// Appends values; the caller closes what it opens.
class Amf0Writer {
 public:
  Amf0Writer& number(double value);
  Amf0Writer& boolean(bool value);
  Amf0Writer& string(std::string_view value);  // long where it has more than 65535 bytes
  Amf0Writer& null();
  Amf0Writer& object();
  Amf0Writer& ecma_array(std::uint32_t count);
  Amf0Writer& strict_array(std::uint32_t count);  // its values follow; it has no end()
  Amf0Writer& key(std::string_view name);         // at most 65535 bytes; longer ones are cut
  Amf0Writer& end();
  std::span<const std::uint8_t> bytes() const { return bytes_; }
  std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  void put(std::uint64_t value, int bytes);
  void text(std::string_view value, int length_bytes);
  std::vector<std::uint8_t> bytes_;
};

}  // namespace headgate::bridge::rtmp
