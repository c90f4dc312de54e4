// links: headgate::bridge
// A web server's answer in pieces of the size that the first byte names, then the connection's end.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "dataplane/bridge/pull/paced_queue.h"
#include "dataplane/bridge/pull/response_reader.h"
#include "dataplane/bridge/pull/ts_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate::bridge::pull;
  if (size == 0) return 0;
  const std::size_t piece = 1U + data[0];
  PacedQueue queue;
  TsInput input;
  int heads = 0;
  bool refused = false;
  ResponseReader reader(
      [&](const ResponseHead& head) {
        if (++heads > 1) std::abort();
        return head.status != 204;
      },
      [&](std::span<const std::uint8_t> bytes) {
        if (heads != 1 || bytes.empty() || refused) std::abort();
        refused = !input.push(bytes, queue).empty();
        return !refused;
      });
  auto state = ResponseReader::State::reading;
  for (std::size_t at = 1; at < size && state == ResponseReader::State::reading; at += piece) {
    state = reader.push({data + at, std::min(piece, size - at)});
  }
  state = reader.finish();
  if (state == ResponseReader::State::reading) std::abort();
  if (state == ResponseReader::State::failed && reader.error().empty()) std::abort();
  if (state == ResponseReader::State::done && heads != 1) std::abort();
  input.finish(queue);
  queue.flush();
  queue.advance(std::chrono::hours(1), [](auto&&, bool) {});
  return 0;
}
