// links: headgate::bridge
// Bytes as a client sends them: parsing, routing and the answers. Every answer must be a whole HTTP response.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "dataplane/bridge/http/router.h"
#include "dataplane/bridge/http/server.h"

namespace {

using namespace headgate::bridge;

class NoChannel : public http::ChannelView {
 public:
  const std::string& display_name() const override { return name_; }
  bool serves_hls() const override { return true; }
  std::uint32_t segment_ms() const override { return 4000; }
  hls::SegmentStore& store() override { return store_; }
  bool on_viewer(const http::Request&, std::uint64_t&) override { return true; }
  bool on_segment(const http::Request&, std::size_t) override { return true; }

 private:
  std::string name_ = "n";
  hls::SegmentStore store_{"/nonexistent/headgate-fuzz", 4000, 8};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static NoChannel channel;
  static http::Router router(
      [](std::string_view id) -> http::ChannelView* { return id == "n" ? &channel : nullptr; }, nullptr);
  std::string out;
  const std::size_t answered = http::answer_bytes({data, size}, router, http::ServerLimits{}, out);
  if (answered > 0 && !out.starts_with("HTTP/1.1 ")) std::abort();
  return 0;
}
