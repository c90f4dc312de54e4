#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mpegts/si/charset.h"
#include "mpegts/si/sdt.h"

namespace headgate::mpegts {
namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte & 0xFF)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xE0 | code >> 12);
    } else {
      put(0xF0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3F));
    }
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

// A.1: emphasis marks vanish, CR/LF becomes a line feed, other controls vanish; in two-byte and UTF-8 text
// the same codes stand at U+E080.. (tables A.1 and A.2).
void append_character(std::string& out, std::uint32_t code) {
  if (code >= 0xE080 && code <= 0xE09F) code -= 0xE000;
  if (code == 0x8A || code == 0x0A || code == 0x0D) return out.push_back('\n');
  if (code < 0x20 || (code >= 0x7F && code < 0xA0)) return;
  append_utf8(out, code);
}

void decode_table00(std::string& out, std::span<const std::uint8_t> text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (const std::uint16_t mark = detail::table00_mark(text[i]); mark != 0 && i + 1 < text.size()) {
      const std::uint8_t letter = text[++i];
      if (const std::uint16_t whole = detail::compose(mark, letter); whole != 0) {
        append_utf8(out, whole);
      } else {
        const std::uint16_t base = detail::table00_code_point(letter);
        append_character(out, base != 0 ? base : kReplacement);
        append_utf8(out, mark);
      }
      continue;
    }
    const std::uint16_t code = detail::table00_code_point(text[i]);
    append_character(out, code != 0 || text[i] == 0 ? code : kReplacement);
  }
}

void decode_8859(std::string& out, std::span<const std::uint8_t> text, unsigned part) {
  for (const std::uint8_t byte : text) {
    // Parts 1 to 4 can only be selected by the three-byte form; part 1 is Unicode's own order.
    const std::uint16_t code = part == 1 ? byte : detail::iso8859_code_point(part, byte);
    append_character(out, code != 0 || byte == 0 ? code : kReplacement);
  }
}

void decode_ucs2(std::string& out, std::span<const std::uint8_t> text) {
  for (std::size_t i = 0; i + 2 <= text.size(); i += 2) {
    const auto code = static_cast<std::uint32_t>(text[i] << 8 | text[i + 1]);
    append_character(out, code >= 0xD800 && code <= 0xDFFF ? kReplacement : code);
  }
  if (text.size() % 2 != 0) append_utf8(out, kReplacement);
}

void decode_utf8(std::string& out, std::span<const std::uint8_t> text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const std::uint8_t first = text[i];
    std::size_t more = 0;
    if (first >= 0xC2 && first <= 0xDF) more = 1;
    if (first >= 0xE0 && first <= 0xEF) more = 2;
    if (first >= 0xF0 && first <= 0xF4) more = 3;
    std::uint32_t code = more == 0 ? first : first & (0x3FU >> more);
    std::size_t have = 0;
    while (have < more && i + 1 + have < text.size() && (text[i + 1 + have] & 0xC0) == 0x80) {
      code = code << 6 | (text[i + 1 + have] & 0x3FU);
      ++have;
    }
    constexpr std::uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
    const bool good = have == more && (more != 0 || first < 0x80) && code >= kSmallest[more] &&
                      code <= 0x10FFFF && !(code >= 0xD800 && code <= 0xDFFF);
    append_character(out, good ? code : kReplacement);
    i += 1 + have;
  }
}

// Of valid UTF-8, without controls.
std::vector<std::uint32_t> printable(std::string_view text) {
  std::vector<std::uint32_t> out;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if ((byte & 0xC0) == 0x80) {
      if (!out.empty()) out.back() = out.back() << 6 | (byte & 0x3FU);
    } else {
      const unsigned lead = byte < 0x80 ? 0x7F : byte < 0xE0 ? 0x1F : byte < 0xF0 ? 0x0F : 0x07;
      out.push_back(byte & lead);
    }
  }
  std::erase_if(out, [](std::uint32_t code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); });
  return out;
}

// In that order the parts of ISO/IEC 8859 that receivers know. Latin text beyond them is left to table 00,
// which every receiver has.
constexpr std::array<unsigned, 7> kCommonParts = {9, 15, 5, 7, 8, 6, 11};
constexpr char kUtf8 = 0x15;

// As many whole characters as fit; nothing where the table lacks one of them.
template <typename Bytes>
std::optional<std::vector<std::uint8_t>> encode(std::span<const std::uint32_t> characters,
                                                std::optional<std::uint8_t> selector, std::size_t limit,
                                                const Bytes& bytes_of) {
  std::vector<std::uint8_t> out;
  if (selector) out.push_back(*selector);
  bool full = out.size() > limit;
  if (full) out.clear();
  for (const std::uint32_t code : characters) {
    const std::uint16_t bytes = bytes_of(code);
    if (bytes == 0) return std::nullopt;
    const std::size_t size = bytes > 0xFF ? 2 : 1;
    full = full || out.size() + size > limit;
    if (full) continue;
    if (size == 2) out.push_back(static_cast<std::uint8_t>(bytes >> 8));
    out.push_back(static_cast<std::uint8_t>(bytes & 0xFF));
  }
  return out;
}

// Text in a table that is not carried here: one replacement for the whole, so that a name shows that it is
// there.
void undecodable(std::string& out, std::span<const std::uint8_t> text) {
  if (!text.empty()) append_utf8(out, kReplacement);
}

}  // namespace

std::vector<std::uint8_t> utf8_to_dvb_text(std::string_view text, std::size_t limit) {
  const std::vector<std::uint32_t> characters = printable(text);
  const auto ascii = [](std::uint32_t code) { return static_cast<std::uint16_t>(code < 0x80 ? code : 0); };
  if (auto out = encode(characters, {}, limit, ascii)) return *out;
  for (const unsigned part : kCommonParts) {
    const auto one = [part](std::uint32_t code) { return std::uint16_t{detail::iso8859_byte(part, code)}; };
    if (auto out = encode(characters, static_cast<std::uint8_t>(part - 4), limit, one)) return *out;
  }
  if (auto out = encode(characters, {}, limit, detail::table00_bytes)) return *out;
  std::string out(limit == 0 ? 0 : 1, kUtf8);
  for (const std::uint32_t code : characters) {
    std::string one;
    append_utf8(one, code);
    if (out.size() + one.size() > limit) break;
    out += one;
  }
  return {out.begin(), out.end()};
}

std::string dvb_text_to_utf8(std::span<const std::uint8_t> text) {
  std::string out;
  if (text.empty()) return out;
  const std::uint8_t selector = text[0];
  const auto after = [&](std::size_t count) {
    return text.size() > count ? text.subspan(count) : text.first(0);
  };
  if (selector >= 0x20) {
    decode_table00(out, text);
  } else if (selector >= 0x01 && selector <= 0x0B && selector != 0x08) {  // table A.3
    decode_8859(out, after(1), selector + 4U);
  } else if (selector == 0x10) {  // table A.4: two more bytes, the part
    const unsigned part = text.size() >= 3 ? static_cast<unsigned>(text[1] << 8 | text[2]) : 0;
    if (part == 1 || (part >= 5 && part <= 15 && part != 12)) {
      decode_8859(out, after(3), part);
    } else {
      undecodable(out, after(3));
    }
  } else if (selector == 0x11) {
    decode_ucs2(out, after(1));
  } else if (selector == 0x15) {
    decode_utf8(out, after(1));
  } else {  // 0x12 KS X 1001, 0x13 GB 2312, 0x14 Big5, 0x1F another encoding, the rest reserved
    undecodable(out, after(1));
  }
  return out;
}

}  // namespace headgate::mpegts
