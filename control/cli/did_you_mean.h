// "; did you mean status?" where a known word is near a mistyped one. Pure. Threading: none.
#pragma once

#include <string>
#include <vector>

namespace headgate::control {

// A word that the typed one begins, or one at most two edits away; else `otherwise`, where the words are
// listed.
std::string did_you_mean(const std::string& typed, const std::vector<std::string>& known,
                         const std::string& otherwise = "headgate --help lists the commands");

}  // namespace headgate::control
