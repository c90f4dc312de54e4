#include "control/daemon/mosaic_server.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

#include "control/daemon/daemon.h"
#include "control/daemon/mosaic_draw.h"

namespace headgate::control {
namespace {

constexpr int kNice = 10;

std::shared_ptr<const AdminPage> page(int status, const char* type, std::string body) {
  return std::make_shared<const AdminPage>(AdminPage{status, type, std::move(body)});
}

std::shared_ptr<const AdminPage> refusal(int status, const std::string& why) {
  return page(status, "text/plain; charset=utf-8", why + "\n");
}

// The same for the same picture, however it is written. A tag and an id have no line break.
std::string key_of(const MosaicQuery& query) {
  std::string key = "\n" + query.tag + "\n" + std::to_string(query.columns) + "\n" +
                    std::to_string(query.width) + "\n" + std::to_string(static_cast<int>(query.order));
  for (const std::string& channel : query.channels) key += "\n" + channel;
  return key;
}

std::shared_ptr<const AdminPage> made(const Mosaic& mosaic, const std::string& directory, bool positions) {
  const std::int64_t now = wall_now_ns();
  const auto pictures = read_pictures(mosaic, directory, now, !positions);
  if (positions) {
    std::vector<PictureAge> ages;
    for (const MosaicPicture& picture : pictures) ages.push_back(picture.age);
    constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
    return page(200, "application/json", mosaic_json(mosaic, ages, now).dump(1, ' ', false, kReplace) + "\n");
  }
  auto jpeg = draw_mosaic(mosaic, pictures, mosaic_font());
  if (!jpeg) return refusal(500, jpeg.error());
  return page(200, "image/jpeg", std::move(*jpeg));
}

}  // namespace

MosaicServer::MosaicServer(boost::asio::io_context& io, std::string directory, Channels channels)
    : io_(io), directory_(std::move(directory)), channels_(std::move(channels)) {}

MosaicServer::~MosaicServer() {
  thread_.stop();
  thread_.join();
}

void MosaicServer::request(const std::string& form, const std::string& query, AdminReply reply) {
  const auto now = std::chrono::steady_clock::now();
  const auto parsed = parse_mosaic_query(query);
  if (!parsed) return reply(refusal(400, parsed.error()));
  const std::string key = form + key_of(*parsed);
  if (const auto known = kept_.find(key); known != kept_.end()) {
    if (known->second.page == nullptr) return known->second.waiting.push_back(std::move(reply));
    if (now - known->second.made < kFresh) return reply(known->second.page);
  }
  std::erase_if(kept_, [&](const auto& entry) {
    return entry.second.page != nullptr && now - entry.second.made >= kFresh;
  });
  auto mosaic = lay_out(*parsed, channels_());
  if (!mosaic) return reply(refusal(400, mosaic.error()));
  if (kept_.size() >= kMaxKept) return reply(refusal(503, "busy with other mosaics: ask again"));
  kept_[key].waiting.push_back(std::move(reply));
  boost::asio::post(thread_, [this, key, positions = form == "json", mosaic = std::move(*mosaic)] {
    // Of this thread alone, as Linux counts.
    if (!std::exchange(slow_, true))
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kNice);
    auto result = made(mosaic, directory_, positions);
    boost::asio::post(io_,
                      [this, key, result = std::move(result)]() mutable { finish(key, std::move(result)); });
  });
}

void MosaicServer::finish(const std::string& key, std::shared_ptr<const AdminPage> page) {
  Kept& kept = kept_[key];
  kept.made = std::chrono::steady_clock::now();
  kept.page = page;
  for (const AdminReply& reply : std::exchange(kept.waiting, {})) reply(page);
}

}  // namespace headgate::control
