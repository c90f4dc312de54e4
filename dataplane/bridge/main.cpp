// headgate-bridge --run-dir DIR: serves what state/bridge.json in run_dir wants, from the ring of the fast
// path.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "control/log/log.h"
#include "control/protocol/lock_file.h"
#include "control/protocol/run_dir.h"
#include "control/protocol/state.h"
#include "dataplane/bridge/app/bridge.h"
#include "dataplane/bridge/app/control_endpoint.h"
#include "dataplane/bridge/app/pushes.h"
#include "dataplane/bridge/app/ring_pump.h"
#include "dataplane/bridge/app/sandbox.h"
#include "dataplane/bridge/app/sessions.h"
#include "dataplane/bridge/app/sources.h"
#include "dataplane/bridge/app/status.h"
#include "dataplane/bridge/http/assets.h"
#include "dataplane/bridge/http/router.h"
#include "dataplane/bridge/http/server.h"
#include "dataplane/bridge/hub/unix_time.h"
#include "dataplane/bridge/pull/pull.h"
#include "dataplane/bridge/rtmp/feed_link.h"
#include "dataplane/bridge/rtmp/pull.h"
#include "dataplane/bridge/rtmp/push.h"
#include "dataplane/bridge/rtmp/server.h"
#include "dataplane/bridge/srt/server.h"
#include "dataplane/bridge/srt/status.h"
#include "dataplane/bridge/transcode/jobs.h"
#include "dataplane/bridge/transcode/picture_desk.h"

namespace {

using namespace headgate;
using namespace headgate::bridge;

#ifndef HEADGATE_VERSION
#define HEADGATE_VERSION "0.1.0"
#endif

constexpr std::chrono::milliseconds kTick{250};
constexpr unsigned kPathTicks = 4;
constexpr std::chrono::milliseconds kInputTick{10};

class Application {
 public:
  Application(std::string root, bool workers)
      : run_{std::move(root)},
        bridge_(run_.hls_dir(), open_workers(workers)),
        router_([this](std::string_view id) -> http::ChannelView* { return bridge_.find(id); },
                load_assets() ? &*assets_ : nullptr,
                [this](std::string_view id) -> http::RenditionView* { return bridge_.find_rendition(id); }),
        server_(context_, router_),
        pump_(
            context_, run_.bridge_ring(), [this](const ring::Slot& slot) { bridge_.on_slot(slot); },
            [this] { bridge_.on_gap(); }),
        endpoint_(context_, [this](const protocol::Request& request,
                                   app::ControlEndpoint::Reply reply) { answer(request, std::move(reply)); }),
        signals_(context_, SIGTERM, SIGINT),
        ticks_(context_),
        input_ticks_(context_) {
    rtmp_.set_inputs([this](std::string_view channel) { return sources_.publishable(channel); });
  }

  int run() {
    std::error_code error;
    std::filesystem::create_directories(run_.hls_dir(), error);
    if (auto listening = endpoint_.listen(run_.bridge_socket()); !listening) {
      log::error("{}", listening.error());
      return 1;
    }
    jobs_.remove_stale();
    if (auto sandboxed = app::enter_sandbox(); !sandboxed) {
      log::error("{}", sandboxed.error());
      return 1;
    }
    // In the sandbox, which does not reach threads made before it: libsrt's are made with the first listener.
    if (auto applied = apply(); !applied) {
      // Without a state there is nothing to serve yet; control writes one and says so.
      log::warning("{}", applied.error());
    }
    signals_.async_wait([this](boost::system::error_code, int) { stop(); });
    pump_.start();
    tick();
    tick_inputs();
    context_.run();
    return 0;
  }

 private:
  bool load_assets() {
    auto loaded = http::Assets::load(http::find_web_directory());
    if (!loaded) {
      log::warning("no player page: {}", loaded.error());
      return false;
    }
    assets_ = std::move(*loaded);
    return true;
  }

  // The pages and folders in which the transcode process and the fast path meet it.
  app::Workers open_workers(bool there_are) {
    if (!there_are) return {};  // nobody waits for what never comes
    std::error_code error;
    std::filesystem::create_directories(run_.pictures_dir(), error);
    if (error) log::warning("{}: {}", run_.pictures_dir(), error.message());
    app::Workers workers{&jobs_, &pictures_, &verdicts_, error ? "" : run_.pictures_dir()};
    if (auto opened = verdicts_.open(); !opened)
      log::warning("no failover for pictures and sound: {}", opened.error());
    return workers;
  }

  tl::expected<void, std::string> apply() {
    const auto text = protocol::read_file(run_.bridge_state());
    if (!text) return tl::unexpected<std::string>(text.error());
    const auto state = protocol::parse_bridge_state(*text);
    if (!state) return tl::unexpected<std::string>(run_.bridge_state() + ": " + state.error());
    if (auto listening = server_.listen(state->http_listen); !listening) {
      return tl::unexpected<std::string>(listening.error());
    }
    if (auto listening = rtmp_.listen(state->rtmp_listen, state->rtmps_servers); !listening) {
      return tl::unexpected<std::string>(listening.error());
    }
    log::set_up(log::settings_of(state->log_level, state->log_format));
    pushes_.end_unwanted(bridge_, *state);
    bridge_.apply(*state);
    for (const auto& [id, channel] : bridge_.channels()) {
      if (channel->frames() != nullptr)
        rtmp_links_.link(id, *channel->frames(), channel->stats(app::Output::rtmp));
    }
    pushes_.make_missing(bridge_);
    if (auto made = sources_.apply(*state); !made) return tl::unexpected<std::string>(made.error());
    if (auto listening = srt_.apply(state->srt_servers, state->channels); !listening) {
      return tl::unexpected<std::string>(listening.error());
    }
    generation_ = state->generation;
    log::info({"", "applied", false}, "generation {} applied: {} channels", generation_,
              bridge_.channels().size());
    return {};
  }

  void answer(const protocol::Request& request, app::ControlEndpoint::Reply reply) {
    if (request.method == "sessions") return sessions_.answer(request, std::move(reply));
    const auto result =
        request.method == "kick" ? sessions_.kick(request.params) : answer_now(request.method);
    reply(result ? protocol::format_result(request.id, *result)
                 : protocol::format_error(request.id, result.error()));
  }

  tl::expected<nlohmann::json, std::string> answer_now(const std::string& method) {
    if (method == "hello") {
      return nlohmann::json{{"process", "bridge"},
                            {"pid", ::getpid()},
                            {"version", HEADGATE_VERSION},
                            {"generation", generation_},
                            {"started_unix_ns", started_ns_}};
    }
    if (method == "apply") {
      if (auto applied = apply(); !applied) return tl::unexpected<std::string>(applied.error());
      return nlohmann::json{{"generation", generation_}};
    }
    if (method == "status") return status();
    return tl::unexpected<std::string>("unknown method \"" + method +
                                       "\"; known: hello, apply, status, sessions, kick");
  }

  nlohmann::json status() {
    const srt::Stats stats = srt_.stats();
    for (const srt::ChannelTotals& total : stats.channels) {
      app::Channel* channel = bridge_.find(total.channel);
      if (channel == nullptr) continue;
      hub::OutputStats& out = *channel->stats(app::Output::srt);
      out.sessions = total.sessions;
      out.sessions_total = total.sessions_total;
      out.bytes = total.bytes;
      out.skips = total.jumps;
      out.skipped = total.dropped_messages * hub::TsChunk::kMaxPackets;
      out.cut = total.stalled;
    }
    rtmp_links_.count();
    nlohmann::json out = app::status(bridge_, server_, pump_, &rtmp_);
    out["srt"] = srt::to_json(stats);
    for (const auto& [id, channel] : bridge_.channels()) {
      nlohmann::json& list = out["channels"][id]["pushes"] = nlohmann::json::array();
      for (push::Push* each : pushes_.of(*channel))
        list.push_back(app::to_json(each->target().url, each->status()));
    }
    // A channel may have inputs here and no outputs.
    for (auto& [id, list] : sources_.status()) out["channels"][id]["sources"] = std::move(list);
    return out;
  }

  std::unique_ptr<ingest::Source> fetch(ingest::Entry& entry) {
    switch (entry.input().kind) {
      case protocol::SourceKind::publish:
        break;
      case protocol::SourceKind::srt_caller:
      case protocol::SourceKind::srt_listener:
        return srt_.make_input(entry);
      case protocol::SourceKind::rtmp:
        return rtmp::make_pull(context_, entry);
      case protocol::SourceKind::http_ts:
        return pull::make_http_ts(context_, entry);
      case protocol::SourceKind::hls:
        return pull::make_hls(context_, entry);
      case protocol::SourceKind::file:
        return pull::make_file(context_, entry);
    }
    return nullptr;
  }

  std::unique_ptr<push::Push> push_to(app::Channel& channel, const protocol::BridgePush& target) {
    if (target.kind == protocol::PushKind::srt)
      return channel.push_ts() == nullptr ? nullptr : srt_.make_push(*channel.push_ts(), target);
    return channel.push_frames() == nullptr ? nullptr
                                            : rtmp::make_push(context_, *channel.push_frames(), target);
  }

  // Looks for inputs that fell silent.
  void tick() {
    ticks_.expires_after(kTick);
    ticks_.async_wait([this](boost::system::error_code error) {
      if (error) return;
      const auto now = std::chrono::steady_clock::now();
      pictures_.on_tick(now);
      bridge_.on_tick(now);
      srt_.on_tick();
      log::on_tick();
      if (++ticked_ % kPathTicks == 0) {
        verdicts_.keep();
        if (endpoint_.keep_path()) log::warning("{} was gone: listening anew", run_.bridge_socket());
      }
      tick();
    });
  }

  // Hands on what came in and is due.
  void tick_inputs() {
    input_ticks_.expires_after(kInputTick);
    input_ticks_.async_wait([this](boost::system::error_code error) {
      if (error) return;
      sources_.on_tick(hub::unix_now_ns());
      tick_inputs();
    });
  }

  void stop() {
    log::info("stopping");
    pump_.stop();
    pushes_.stop();
    sources_.stop();
    endpoint_.stop();
    server_.stop();
    srt_.stop();
    rtmp_.stop();
    jobs_.stop();
    context_.stop();
  }

  protocol::RunDir run_;
  boost::asio::io_context context_{1};
  // Before the servers, whose publishers hold its entries.
  app::Sources sources_{run_.fastpath_ring(), [this](ingest::Entry& entry) { return fetch(entry); },
                        [this](ingest::Entry& entry) {
                          rtmp_.drop(entry);
                          srt_.release(entry);
                        }};
  rtmp::Server rtmp_{context_};
  rtmp::FeedLinks rtmp_links_{rtmp_};  // before the channels, whose feeds end them
  // Before the channels, which use them.
  transcode::Jobs jobs_{context_, run_.jobs_dir()};
  transcode::PictureDesk pictures_{jobs_};
  watch::Verdicts verdicts_{run_.watch_page()};
  app::Bridge bridge_;
  std::optional<http::Assets> assets_;
  http::Router router_;
  http::Server server_;
  srt::Server srt_{[this](std::string_view id) -> hub::TsFeed* {
                     app::Channel* channel = bridge_.find(id);
                     return channel == nullptr ? nullptr : channel->ts();
                   },
                   [this](std::function<void()> call) { boost::asio::post(context_, std::move(call)); },
                   [this](std::string_view id) { return sources_.publishable(id); }};
  // After the channels, whose feeds they take from.
  app::Pushes pushes_{
      [this](app::Channel& channel, const protocol::BridgePush& target) { return push_to(channel, target); }};
  app::Sessions sessions_{context_, {bridge_, server_, rtmp_, srt_, pushes_, sources_}};
  app::RingPump pump_;
  app::ControlEndpoint endpoint_;
  boost::asio::signal_set signals_;
  boost::asio::steady_timer ticks_;
  boost::asio::steady_timer input_ticks_;
  unsigned ticked_ = 0;
  std::uint64_t generation_ = 0;
  std::int64_t started_ns_ = hub::unix_now_ns();
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App cli("Headgate's bridge: serves channels to players. Started by `headgate run`.");
  std::string run_dir;
  cli.add_option("--run-dir", run_dir, "folder in which the processes meet")->required();
  bool without_workers = false;
  cli.add_flag("--without-workers", without_workers, "there is no transcode process: wait for nothing of it");
  cli.set_version_flag("--version", HEADGATE_VERSION);
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli.exit(error) == 0 ? 0 : 2;
  }
  log::set_up("bridge", {});
  ::signal(SIGPIPE, SIG_IGN);
  app::set_limits();
  std::error_code ignored;
  std::filesystem::create_directories(run_dir + "/bridge", ignored);
  const auto lock = protocol::LockFile::take(protocol::RunDir{run_dir}.lock("bridge"));
  if (!lock) {
    log::error("{}", lock.error());
    return 1;
  }
  Application application(run_dir, !without_workers);
  return application.run();
}
