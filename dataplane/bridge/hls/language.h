// What a descriptor's language code is in a playlist. References: ISO 639-2 (codes of
// ISO_639_language_descriptor), RFC 5646 2.2.1 (the shortest code there is), RFC 8216 4.3.4.1 (LANGUAGE,
// NAME), EN 300 468 annex F ("qaa"). Threading: pure functions.
#pragma once

#include <string>
#include <string_view>

namespace headgate::bridge::hls {

struct Language {
  std::string code;  // lower case; empty: not known
  std::string tag;   // RFC 5646
  std::string name;  // English
};

Language language_of(std::string_view iso_639_2);

}  // namespace headgate::bridge::hls
