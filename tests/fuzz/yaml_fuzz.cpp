// links: headgate::config_load
// Both files from bytes: up to a 0xFF byte the node file, after it the channel map.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/load/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t split = std::min(text.find('\xFF'), text.size());
  const std::string channels = split < text.size() ? text.substr(split + 1) : "channels: {}\n";
  const auto result =
      headgate::config::load_texts({{"/headgate.yaml", text.substr(0, split)}, {"/channels.yaml", channels}},
                                   headgate::config::Secrets::none);
  // A refused map always says why.
  if (!result.ok() && result.diagnostics.empty()) std::abort();
  for (const auto& diagnostic : result.diagnostics) {
    if (headgate::config::to_string(diagnostic).find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
