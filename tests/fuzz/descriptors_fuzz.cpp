// links: headgate::mpegts
// Any bytes as a descriptor loop: the walk stays inside, every body can be read, and a copy is the same
// bytes.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "mpegts/psi/descriptors.h"

using namespace headgate::mpegts;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Descriptors loop{{data, data + size}};
  std::size_t length = 0;
  for (const Descriptor& d : DescriptorLoop(loop)) {
    if (d.bytes.data() != loop.bytes.data() + length || d.bytes.size() != d.body.size() + 2) std::abort();
    length += d.bytes.size();
    if (length > size) std::abort();
    const std::size_t entries = as_languages(d).size() * 4 + as_teletext(d).size() * 5 +
                                as_subtitling(d).size() * 8 + as_logical_channels(d).size() * 4;
    if (entries > d.body.size()) std::abort();
    if (const auto hevc = as_hevc(d); hevc && hevc->profile_idc > 31) std::abort();
    as_registration(d);
    as_stream_identifier(d);
    as_ac3(d);
    as_aac(d);
  }
  if (size - length >= 2 && size - length >= std::size_t{2} + loop.bytes[length + 1]) std::abort();
  Descriptors copy;
  append_some(copy, loop, [](const Descriptor&) { return true; });
  Descriptors mapped = copy;
  map_ca_pids(mapped, [](Pid pid) { return pid; });
  if (copy != mapped || copy.bytes.size() != length) std::abort();
  return 0;
}
