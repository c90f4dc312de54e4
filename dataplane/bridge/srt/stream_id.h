// The stream id by which an SRT caller says what it wants. Two forms:
//   CHANNEL                          and publish:CHANNEL?key=SECRET
//   #!::r=CHANNEL,m=request,u=USER   comma-separated keys, in any order
// References: SRT Access Control (Stream ID) Guidelines, "General Syntax" and "Standard Keys";
// draft-sharabayko-srt 3.2.1.3 (at most 512 bytes). The guidelines know no escapes; percent-encoding (RFC
// 3986 2.1) is decoded once, because callers take stream ids from addresses and some leave it in. Threading:
// pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace headgate::bridge::srt {

inline constexpr std::size_t kMaxStreamId = 512;

enum class Mode : std::uint8_t { request, publish, bidirectional };

struct StreamId {
  std::string channel;
  Mode mode = Mode::request;
  std::string key;    // ?key=
  std::string token;  // ?token=
  std::string user;   // u=
};

enum class StreamIdError : std::uint8_t {
  missing,       // no stream id, or no r= in it
  too_long,      // beyond kMaxStreamId
  malformed,     // neither form, a key twice, a bad percent sequence, a control character
  mode,          // m= is none of the three
  not_a_stream,  // t= is not "stream"
};

tl::expected<StreamId, StreamIdError> parse_stream_id(std::string_view text);
// For people: printable, and without the query, which holds secrets.
std::string without_query(std::string_view text);

}  // namespace headgate::bridge::srt
