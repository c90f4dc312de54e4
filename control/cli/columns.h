// Private to this folder: text in columns for terminals. Widths are characters, not bytes of UTF-8.
// Threading: pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace headgate::control {

inline constexpr std::size_t kColumns = 80;

std::size_t width(std::string_view text);
std::string padded(const std::string& text, std::size_t to, bool right = false);
// At most so wide; what is cut off shows as "~".
std::string fitted(const std::string& text, std::size_t to);
// Words on lines that fit, the later ones behind `indent` spaces, each line ended. A word longer than a line
// stays whole: an address must be copied as it is.
std::string wrapped(const std::string& first, const std::string& text, std::size_t indent,
                    std::size_t columns = kColumns);
// Without blanks at the end, ended.
std::string strip_end(std::string line);

// The colour of a state or a severity.
const char* colour_of(const std::string& state);
std::string painted(const std::string& text, const std::string& state, bool colour);

}  // namespace headgate::control
