// links: headgate::ring
// A consumer on a hostile ring file: the input overwrites the header and the first slots; whatever it says,
// the consumer stays inside its mapping. The first byte picks whether the corruption comes before or after
// the consumer opened the file.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "dataplane/ring/ring.h"

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/hg-ring-fuzz-XXXXXX";
    if (::mkdtemp(name) == nullptr) std::abort();
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

void corrupt(const std::string& file, const uint8_t* data, size_t size) {
  // 16-bit offset, then up to 8 bytes, again and again.
  const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) std::abort();
  while (size >= 3) {
    const off_t offset = data[0] << 8 | data[1];
    const size_t n = std::min<size_t>(size - 2, 8);
    if (::pwrite(fd, data + 2, n, offset) < 0) std::abort();
    data += 2 + n;
    size -= 2 + n;
  }
  ::close(fd);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headgate::ring;
  if (size < 1 || size > 4096) return 0;
  static const Folder folder;
  const std::string file = folder.path + "/r";
  std::filesystem::remove(file);
  auto producer = Producer::open(file, 64);
  if (!producer) std::abort();
  const std::string packets(7 * 188, 'x');
  const auto push = [&] {
    Slot slot{};
    (*producer)->push(slot, {reinterpret_cast<const uint8_t*>(packets.data()), packets.size()});
    (*producer)->flush();
  };
  const bool before = (data[0] & 1) != 0;
  if (before) corrupt(file, data + 1, size - 1);
  auto consumer = Consumer::open(file);
  for (int i = 0; i < 8; ++i) push();
  if (!before) corrupt(file, data + 1, size - 1);
  push();
  if (!consumer) return 0;
  volatile unsigned sum = 0;
  (*consumer)->poll(1000, [&](const Slot& slot) {
    for (size_t i = 0; i < slot.packet_count * size_t{188}; ++i) sum = sum + slot.packets[i];
  });
  (*consumer)->producer_restarted();
  (*consumer)->prepare_sleep();
  (*consumer)->awake();
  return 0;
}
