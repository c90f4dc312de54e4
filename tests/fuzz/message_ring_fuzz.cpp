// links: headgate::ring
// Both ends of a message ring whose file the other end writes at will: whatever stands there, they stay
// inside their mapping and go on afterwards. The input is a list of steps: a byte that says what happens,
// then what it needs.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "dataplane/ring/message_ring.h"

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/hg-message-ring-fuzz-XXXXXX";
    if (::mkdtemp(name) == nullptr) std::abort();
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headgate::ring;
  if (size > 4096) return 0;
  static const Folder folder;
  const std::string file = folder.path + "/r";
  if (!make_message_ring(file, 4096)) std::abort();
  auto producer = MessageProducer::open(file);
  auto consumer = MessageConsumer::open(file);
  auto view = MessageRingView::open(file);
  const int fd = ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (!producer || !consumer || !view || fd < 0) std::abort();
  const std::string payload(5000, 'x');
  volatile unsigned sum = 0;
  const auto take = [&](size_t limit) {
    (*consumer)->poll(limit, [&](const MessageHeader& header, std::span<const uint8_t> bytes) {
      if (bytes.size() != header.size || bytes.size() > 4096) std::abort();
      for (const uint8_t byte : bytes) sum = sum + byte;
    });
  };
  while (size >= 3) {
    const size_t number = size_t{data[1]} << 8 | data[2];
    const uint8_t step = data[0] % 6;
    data += 3;
    size -= 3;
    if (step == 0) {  // overwrite up to 8 bytes somewhere
      const size_t n = std::min<size_t>(size, 8);
      if (::pwrite(fd, data, n, static_cast<off_t>(number % 8192)) < 0) std::abort();
      data += n;
      size -= n;
    } else if (step == 1) {
      MessageHeader header;
      header.stream = static_cast<uint16_t>(number);
      (*producer)->push(header, {reinterpret_cast<const uint8_t*>(payload.data()), number % 5000});
    } else if (step == 2) {
      (*producer)->flush();
    } else if (step == 3) {
      take(number % 64);
    } else if (step == 4) {
      if ((*consumer)->prepare_sleep()) (*consumer)->awake();
      view->read_position();
      view->empty();
    } else if (number % 2 == 0) {
      if (auto anew = MessageProducer::open(file)) producer = std::move(anew);
    } else {
      if (auto anew = MessageConsumer::open(file)) consumer = std::move(anew);
    }
  }
  ::close(fd);
  take(10);
  return 0;
}
