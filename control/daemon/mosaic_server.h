// Makes mosaics for those who ask, beside the control loop: on a thread of its own, at a lower priority. One
// that was made within the last second is given again; those who ask for the same while it is made wait for
// it. Threading: request() on the io_context's thread, where the replies come too.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "control/daemon/admin_http.h"
#include "control/daemon/mosaic.h"

namespace headgate::control {

class MosaicServer {
 public:
  static constexpr std::chrono::milliseconds kFresh{1000};
  static constexpr std::size_t kMaxKept = 16;  // different ones at a time
  using Channels = std::function<std::vector<MosaicChannel>()>;

  // `directory`: where the tiles are.
  MosaicServer(boost::asio::io_context& io, std::string directory, Channels channels);
  ~MosaicServer();
  // "jpg" or "json".
  void request(const std::string& form, const std::string& query, AdminReply reply);

 private:
  struct Kept {
    std::chrono::steady_clock::time_point made{};
    std::shared_ptr<const AdminPage> page;  // null while it is made
    std::vector<AdminReply> waiting;
  };
  void finish(const std::string& key, std::shared_ptr<const AdminPage> page);

  boost::asio::io_context& io_;
  std::string directory_;
  Channels channels_;
  std::map<std::string, Kept> kept_;
  bool slow_ = false;  // the thread has its priority
  boost::asio::thread_pool thread_{1};
};

}  // namespace headgate::control
