from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest

from lanrage_events import Event, PeerJoined, PeerLeft
from lanrage_events.events import EventRegistry
from lanrage_events_logfile import FileConfig, load_preset, preset_names
from lanrage_events_logfile._parsing import Roster, Translator


def translate(preset: str, text: str, **settings: Any) -> list[Event]:
    """Return the events of the lines of a text, each without what indents it."""
    config = FileConfig.model_validate({"path": "games/x.log", "preset": preset, **settings})
    translator, roster = Translator(config, EventRegistry()), Roster()
    events: list[Event] = []
    for number, line in enumerate(text.strip().splitlines()):
        found = translator.translate(line.removeprefix("    "), roster, str(number))
        assert found.problems == ()
        events += found.events

    return events


def short(events: list[Event]) -> list[str]:
    """Return events such as ``+Ann`` for a join and ``-Ann`` for a leave, and why a server stopped."""
    signs = {"peer_joined": "+", "peer_left": "-"}
    return [
        signs.get(event.type, f"{event.type} ")
        + str(
            getattr(event, "peer_name", getattr(event, "reason", getattr(event, "game_name", "")))
        )
        for event in events
    ]


# Each is copied from where it stands behind the name, with nothing changed.
EXCERPTS = {
    # https://github.com/itzg/docker-minecraft-server/issues/880
    "vanilla": (
        "minecraft",
        """
    [04:33:57] [Server thread/INFO]: Pacmuncher1[/172.17.0.1:56522] logged in with entity id 82206 at (31.95133272390401, 63.0, -90.69999998807907)
    [04:33:57] [Server thread/INFO]: Pacmuncher1 joined the game
    [05:03:25] [Server thread/INFO]: Pacmuncher1 lost connection: Disconnected
    [05:03:25] [Server thread/INFO]: Pacmuncher1 left the game
    [05:09:22] [User Authenticator #9/INFO]: UUID of player Pacmuncher1 is 5e6e02ea-2421-407e-ba2c-944879384d94
    [05:09:22] [Server thread/INFO]: Pacmuncher1[/172.17.0.1:56812] logged in with entity id 88536 at (2399.88064373095, 63.0, -991.9424177446332)
    [05:09:22] [Server thread/INFO]: Pacmuncher1 joined the game
    [06:11:53] [Server thread/WARN]: handleDisconnection() called twice
    [06:12:07] [Server thread/INFO]: Pacmuncher1 lost connection: Disconnected
    [06:12:07] [Server thread/INFO]: Pacmuncher1 left the game""",
        ["+Pacmuncher1", "-Pacmuncher1", "+Pacmuncher1", "-Pacmuncher1"],
    ),
    # https://github.com/MCDReforged/MCDReforged/issues/430
    "vanilla 26.3": (
        "minecraft",
        """
    [16:17:22] [Server thread/INFO]: Polaris_Light[/127.0.0.1:39785] logged in with entity id 51 at (-3.5, 64.0, -9.5)
    [16:17:22] [Server thread/INFO]: System chat: Polaris_Light joined the game
    [16:17:28] [Server thread/INFO]: Polaris_Light lost connection: Disconnected
    [16:17:28] [Server thread/INFO]: System chat: Polaris_Light left the game""",
        ["+Polaris_Light", "-Polaris_Light"],
    ),
    # https://github.com/Nova-Committee/Re-Avaritia/issues/62
    "forge": (
        "minecraft",
        """
    [15:57:38] [User Authenticator #2/INFO] [minecraft/ServerLoginPacketListenerImpl]: UUID of player MSandro is 08a84257-c9ca-4c02-addd-58d518220969
    [15:57:39] [Server thread/INFO] [minecraft/PlayerList]: MSandro[/[::1]:49166] logged in with entity id 283 at (-42.5, 76.0, 208.5)
    [15:57:39] [Server thread/INFO] [minecraft/MinecraftServer]: MSandro joined the game
    [15:57:39] [Server thread/INFO] [minecraft/ServerGamePacketListenerImpl]: MSandro lost connection: Disconnected
    [15:57:39] [Server thread/INFO] [minecraft/MinecraftServer]: MSandro left the game""",
        ["+MSandro", "-MSandro"],
    ),
    # https://github.com/AgriCraft/AgriCraft/issues/856
    "codes of colours": (
        "minecraft",
        """
    [18:31:42] [Server thread/INFO]: §r§r§r§r§e§r§eLemADEC§r§e joined the game§r""",
        [],
    ),
    # https://github.com/PaperMC/Paper/issues/3156, a plugin says the leave with a full stop
    "paper's console": (
        "minecraft",
        """
    [10:01:50 INFO]: GamePlayer_TV[/xxx.xxx.xxx.xxx:60927] logged in with entity id 581 at ([world]22.5, 65.5, -21.5)
    [10:06:47 INFO]: GamePlayer_TV lost connection: Disconnected
    [10:06:47 INFO]: GamePlayer_TV left the game.
    [10:50:07 INFO]: UUID of player Aaron2550 is 0ba71ac7-5f68-43a0-a303-8f739bcb3b72""",
        ["+GamePlayer_TV", "-GamePlayer_TV"],
    ),
    # https://github.com/MultiPaper/ShreddedPaper/issues/64
    "a player who never joined": (
        "minecraft",
        """
    [00:47:46 INFO]: UUID of player X is 12345678-1234-1234-1234-123456789abc
    [00:47:47 INFO]: X (12345678-1234-1234-1234-123456789abc) lost connection: Disconnected
    [00:47:47 INFO]: Connection closed during protocol change
    [00:48:18 INFO]: X was kicked due to keepalive timeout!""",
        [],
    ),
    # A log in the tests of https://github.com/leighmacdonald/gbans, after a change of the map.
    "Team Fortress 2": (
        "source",
        """
    L 02/21/2021 - 06:22:23: Log file started (file "logs/L0221034.log") (game "/home/tf2server/serverfiles/tf") (version "6300758")
    L 02/21/2021 - 06:22:24: rcon from "23.239.22.163:42004": command "status"
    L 02/21/2021 - 06:22:31: "Hacksaw<12><[U:1:68745073]><>" entered the game
    L 02/21/2021 - 06:22:35: "Hacksaw<12><[U:1:68745073]><Unassigned>" joined team "Red"
    L 02/21/2021 - 06:24:22: "amogus gaming<13><[U:1:1089803558]><>" connected, address "139.47.95.130:47949"
    L 02/21/2021 - 06:24:23: "amogus gaming<13><[U:1:1089803558]><>" STEAM USERID validated
    L 02/21/2021 - 06:24:34: "amogus gaming<13><[U:1:1089803558]><>" entered the game
    L 02/21/2021 - 06:29:57: "Hacksaw<12><[U:1:68745073]><Red>" say "gg"
    L 02/21/2021 - 06:33:35: "Cybermorphic<15><[U:1:901503117]><>" entered the game
    L 02/21/2021 - 06:33:43: "Cybermorphic<15><[U:1:901503117]><Unassigned>" disconnected (reason "Disconnect by user.")""",
        ["+Hacksaw", "+amogus gaming", "+Cybermorphic", "-Cybermorphic"],
    ),
    # https://github.com/playliga/website/issues/28 and 20: Counter-Strike: Source
    "Counter-Strike: Source, with bots": (
        "source",
        """
    L 08/14/2024 - 23:29:08: "nómil<2><[U:1:9035362]><>" STEAM USERID validated
    Loading 'cfg/autobuy_default.txt'
    L 08/14/2024 - 23:29:08: "nómil<2><[U:1:9035362]><>" entered the game
    L 08/14/2024 - 23:29:08: "biffy66<3><BOT><>" connected, address "none"
    L 08/14/2024 - 23:29:08: "biffy66<3><BOT><Unassigned>" joined team "TERRORIST"
    L 08/14/2024 - 23:29:08: "biffy66<3><BOT><>" entered the game
    Dropped biffy66 from server (Server shutting down)
    L 08/14/2024 - 23:30:32: "biffy66<3><BOT><>" disconnected (reason "Server shutting down")
    L 08/14/2024 - 23:30:32: "nómil<2><[U:1:9035362]><>" disconnected (reason "Server shutting down")
    L 08/14/2024 - 23:30:32: server_message: "quit"
    L 08/14/2024 - 23:30:32: Log file closed.""",
        ["+nómil", "-nómil", "server_stopped stopped"],
    ),
    # https://github.com/LacledesLAN/gamesvr-svencoop/issues/88
    "Sven Co-op": (
        "source",
        """
    L 02/04/2026 - 00:27:26: Started map "-sp_campaign_portal" (CRC "1657098797")
    Warning: failed to init SDL thread priority manager: SDL not found
    L 02/04/2026 - 00:28:35: "Dudds<1><STEAM_ID_LAN><>" connected, address "172.30.50.197:27005"
    L 02/04/2026 - 00:28:39: Server is no longer empty, idle timer disabled.
    L 02/04/2026 - 00:28:39: "Dudds<1><STEAM_ID_LAN><player>" has entered the game
    L 02/04/2026 - 00:28:50: "Dudds<1><STEAM_ID_LAN><player>" say "hello there!"
    Dudds: hello there!
    L 02/04/2026 - 00:29:22: "Dudds<1><STEAM_ID_LAN><player>" disconnected
    Dropped Dudds from server
    L 02/04/2026 - 00:29:52: "Dudds<2><STEAM_ID_LAN><>" connected, address "172.30.50.197:27005\"""",
        ["game_started -sp_campaign_portal", "+Dudds", "-Dudds"],
    ),
    # https://github.com/eonexdev/csgo-sv-fix-engine/issues/2
    "Counter-Strike: Global Offensive": (
        "source",
        """
    L 03/06/2026 - 16:42:02: "Jay2k1<6><STEAM_1:0:123456><>" connected, address ""
    Client "Jay2k1" connected (1.3.3.7:27005).
    L 03/06/2026 - 16:42:12: "Jay2k1<6><STEAM_1:0:12345><>" entered the game
    L 03/06/2026 - 16:42:19: "Jay2k1<6><STEAM_1:0:12345>" switched from team <Unassigned> to <TERRORIST>""",
        ["+Jay2k1"],
    ),
    # https://github.com/MJPetermann/cs2-log-libary, its description of the HTTP log
    "Counter-Strike 2": (
        "cs2",
        """
    04/12/2025 - 14:59:10.123 - "New Player<3><[U:1:123456789]><>" connected, address "192.168.1.100:27015"
    04/12/2025 - 14:59:15.456 - "New Player<3><[U:1:123456789]><>" entered the game
    04/12/2025 - 15:00:00.000 - World triggered "Match_Start" on "de_mirage"
    04/12/2025 - 15:01:05.678 - "M J P<2><[U:1:395318202]>" switched from team <Unassigned> to <CT>
    04/12/2025 - 15:03:02.094 - World triggered "Round_Start"
    04/12/2025 - 15:30:00.987 - "M J P<2><[U:1:395318202]><CT>" disconnected (reason "Disconnect by user.")""",
        ["+New Player", "game_started de_mirage"],
    ),
    # https://github.com/noueii/cs2-log, EVENTS.md, with the beginning that lines in files have, from
    # https://github.com/shobhit-pathak/MatchZy/issues/312
    "the end of a match in Counter-Strike 2": (
        "cs2",
        """
    L 08/10/2025 - 00:59:45: Starting Freeze period
    L 08/10/2025 - 00:59:45: World triggered "Match_Start" on "de_dust2"
    L 08/10/2025 - 00:59:45: "name": "round_stats",
    L 08/10/2025 - 00:59:45: Game Over: competitive mg_active de_dust2 score 16:8 after 42 min""",
        ["game_started de_dust2", "game_ended de_dust2"],
    ),
    # https://github.com/AGuyNamedJens/FactorioChatBot/issues/9
    "Factorio": (
        "factorio",
        """
    29499.783 Info AppManagerStates.cpp:1941: Saving finished
    29973.149 Info ServerMultiplayerManager.cpp:1064: Disconnect notification for peer (2)
    29973.149 Info ServerMultiplayerManager.cpp:946: updateTick(1252403) received stateChanged peerID(2) oldState(InGame) newState(DisconnectScheduled)
    2022-01-26 18:06:44 [LEAVE] kkndvulcanic left the game
    29973.150 Info ServerSynchronizer.cpp:627: nextHeartbeatSequenceNumber(1798073) removing peer(2).
    31383.782 Info ServerMultiplayerManager.cpp:946: updateTick(1252453) received stateChanged peerID(5) oldState(WaitingForCommandToStartSendingTickClosures) newState(InGame)
    2022-01-26 18:30:15 [JOIN] Mattie joined the game""",
        ["+Mattie"],
    ),
    # https://github.com/OpenFactorioServerManager/factorio-server-manager/issues/306, and the end of
    # https://github.com/factoriotools/factorio-docker/issues/175 without what Docker puts before it
    "the life of a Factorio server": (
        "factorio",
        """
       2.960 Info UDPSocket.cpp:27: Opening socket at (IP ADDR:({0.0.0.0:34197}))
       2.960 Hosting game at IP ADDR:({0.0.0.0:34197})
       3.491 Info ServerMultiplayerManager.cpp:799: updateTick(0) changing state from(CreatingGame) to(InGame)
       8.944 ConnectionRequestReplyConfirm (type(ConnectionRequestReplyConfirm) ) from(IP ADDR:({127.0.0.1:62928}))
     244.872 Info ServerMultiplayerManager.cpp:118: Disconnecting multiplayer connection.
     244.872 Info ServerMultiplayerManager.cpp:699: mapTick(9911) changing state from(InGame) to(DisconnectingScheduled)
     244.907 Info ServerMultiplayerManager.cpp:699: mapTick(9911) changing state from(DisconnectingScheduled) to(Disconnecting)""",
        ["server_started Factorio", "server_stopped stopped"],
    ),
    # https://github.com/community-valheim-tools/valheim-server-docker/issues/254; the last line is
    # one of issue 180 there, with the number of this player
    "Valheim": (
        "valheim",
        """
    03/12/2021 13:42:48: Got connection SteamID 76561197987220805
    03/12/2021 13:42:49: Got handshake from client 76561197987220805
    03/12/2021 13:43:17: Got character ZDOID from Luu : 1245460760:1
    03/12/2021 13:43:57: Closing socket 76561197987220805
    03/12/2021 13:43:57: Destroying abandoned non persistent zdo 1245460760:3 owner 1245460760
    03/12/2021 13:43:57: Destroying abandoned non persistent zdo 1245460760:1 owner 1245460760""",
        ["+Luu", "-Luu"],
    ),
    # https://github.com/CanadaBry/ValheimDocker/issues/10, without what Docker puts before it; the
    # start is one of https://github.com/community-valheim-tools/valheim-server-docker/issues/180
    "the life of a Valheim server": (
        "valheim",
        """
    02/13/2021 01:38:12: Valheim version:0.143.5
    02/13/2021 01:38:20: Game server connected
    02/13/2021 01:50:37:  Connections 0 ZDOS:22543  sent:0 recv:0
    (Filename: ./Runtime/Export/Debug/Debug.bindings.h Line: 35)
    02/13/2021 01:52:01: Game server connected
    02/13/2021 01:55:20: Game - OnApplicationQuit
    02/13/2021 01:55:20: ZNet Shutdown
    02/13/2021 01:55:21: Shutdown complete
    02/13/2021 01:55:21: Game server disconnected""",
        ["server_started Valheim", "server_stopped stopped"],
    ),
    # https://github.com/PrismarineJS/node-minecraft-wrap/issues/1
    "a Minecraft server that is stopped": (
        "minecraft",
        """
    [11:42:07] [Server thread/INFO]: Stopping the server
    [11:42:07] [Server thread/INFO]: Stopping server
    [11:42:07] [Server thread/INFO]: Saving players
    [11:42:07] [Server Shutdown Thread/INFO]: Stopping server
    [11:42:07] [Server Shutdown Thread/INFO]: Saving players""",
        ["server_stopped stopped"],
    ),
    # From a blog about a server that was too slow
    "a Minecraft server that its watchdog stops": (
        "minecraft",
        """
    [21:21:15] [Server Watchdog/FATAL]: A single server tick took 60.00 seconds (should be max 0.05)
    [21:21:15] [Server Watchdog/FATAL]: Considering it to be crashed, server will forcibly shutdown.
    [21:21:15] [Server Watchdog/ERROR]: This crash report has been saved to: /mnt/ramdisk/./crash-reports/crash-2014-11-27_21.21.15-server.txt
    [21:21:15] [Server Shutdown Thread/INFO]: Stopping server""",
        ["server_stopped crashed"],
    ),
    "a Paper server that crashes": (
        "minecraft",
        """
    [16:22:13 ERROR]: This crash report has been saved to: /srv/minecraft/crash-reports/crash-2025-06-15_16.22.13-server.txt
    [16:22:13 INFO]: Stopping server
    [16:22:13 INFO]: Saving players""",
        ["server_stopped crashed"],
    ),
    # https://github.com/Facepunch/garrysmod-issues/issues/2406, of the command "_restart"
    "Garry's Mod": (
        "source",
        """
    L 01/22/2016 - 18:16:22: server_message: "quit"
    L 01/22/2016 - 18:16:22: Log file closed.
    L 01/22/2016 - 18:16:22: server_message: "restart\"""",
        ["server_stopped stopped"],
    ),
    # https://github.com/zolantris/ValheimMods/issues/122
    "Valheim with BepInEx": (
        "valheim",
        """
    [Info   : Unity Log] 07/31/2024 14:25:02: Console: [Info   :    Armory] Peer (76561198863537755) disconnected, removing from validated list
    [Info   : Unity Log] 07/31/2024 14:25:02: Destroying abandoned non persistent zdo 1642615509:795 owner 1642615509
    [Info   : Unity Log] 07/31/2024 14:25:02: Closing socket 76561198863537755""",
        [],
    ),
    # https://github.com/StrangeLoopGames/EcoIssues/issues/21387, without the blanks at the ends
    "Eco": (
        "eco",
        """
    [2021-04-15 11:22:30.990][ Info] KillerKickler: Tier 3
    [2021-04-15 11:23:22.783][ Info] Drystion: ty for the seeds
    [2021-04-15 11:26:31.579][ Info] <-- Drystion logged out.
    [2021-04-15 11:41:00.588][ Info] <-- romonito logged out.
    [2021-04-15 11:45:50.478][ Info] --> OneNeoZ logged in.""",
        ["+OneNeoZ"],
    ),
}


@pytest.mark.parametrize("name", EXCERPTS)
def test_a_real_log_gives_what_happened(name: str) -> None:
    preset, text, expected = EXCERPTS[name]

    assert short(translate(preset, text)) == expected


@pytest.mark.parametrize(
    ("preset", "text"),
    [
        (
            "minecraft",
            "[20:15:00] [Server thread/INFO]: <Ann> Bob[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)",
        ),
        (
            "minecraft",
            "[20:15:00] [Async Chat Thread - #2/INFO]: <Ann> Bob[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)",
        ),
        (
            "minecraft",
            "[20:15:00] [Async Chat Thread - #2/INFO]: Bob[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)",
        ),
        (
            "minecraft",
            "[20:15:00] [Server thread/INFO]: [Not Secure] <Ann> Bob[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)",
        ),
        (
            "minecraft",
            "[20:15:00] [Server thread/INFO]: * Ann Bob[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)",
        ),
        ("minecraft", "[20:15:00] [Server thread/INFO]: [Ann] Bob lost connection: Disconnected"),
        (
            "minecraft",
            "[20:15:00] [Server thread/INFO]: [Server][/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)",
        ),
        (
            "minecraft",
            "[20:15:00 INFO]: Ann: [20:15:00] [Server thread/INFO]: Bob lost connection: Disconnected",
        ),
        ("minecraft", "[20:15:00] [Server thread/INFO]: <Ann> Stopping server"),
        ("minecraft", "[20:15:00] [Async Chat Thread - #2/INFO]: Stopping server"),
        (
            "minecraft",
            "[20:15:00] [Server thread/INFO]: <Ann> This crash report has been saved to: x",
        ),
        ("valheim", "03/12/2021 13:43:17: <color=orange>Ann</color>: Shutdown complete"),
        ("factorio", "2022-01-26 18:30:15 [CHAT] Ann: Factorio crashed. Generating symbolized"),
        (
            "source",
            'L 11/24/2026 - 20:15:00: "Ann<2><STEAM_0:0:1><Red>" say "server_message: "quit""',
        ),
        ("minecraft", '[20:15:00] [Server thread/INFO]: <Ann> Done (1.0s)! For help, type "help"'),
        (
            "minecraft",
            "<Ann> [20:15:00] [Server thread/INFO]: Bob[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)",
        ),
        (
            "source",
            (
                'L 11/24/2026 - 20:15:00: "Ann<2><STEAM_0:0:1><Red>" say '
                '"Bob<3><STEAM_0:0:2><>" entered the game'
            ),
        ),
        (
            "source",
            (
                'L 11/24/2026 - 20:15:00: "Ann<2><STEAM_0:0:1><Red>" say '
                '"L 11/24/2026 - 20:15:00: Bob<3><STEAM_0:0:2><> disconnected"'
            ),
        ),
        (
            "cs2",
            (
                'L 11/24/2026 - 20:15:00: "Ann<2><[U:1:1]><CT>" say '
                '"Game Over: competitive mg_active de_dust2 score 16:8 after 42 min"'
            ),
        ),
        ("factorio", "2022-01-26 18:30:15 [CHAT] Ann: [JOIN] Bob joined the game"),
        (
            "factorio",
            "2022-01-26 18:30:15 [CHAT] Ann: 2022-01-26 18:30:15 [LEAVE] Bob left the game",
        ),
        ("eco", "[2021-04-15 11:22:30.990][ Info] Ann: --> Bob logged in."),
    ],
)
def test_what_players_write_is_not_an_event(preset: str, text: str) -> None:
    assert translate(preset, text) == []


@pytest.mark.parametrize(
    ("preset", "text", "name"),
    [
        (
            "minecraft",
            "[20:15:00] [Server thread/INFO]: .Béla_😀[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)",
            ".Béla_😀",
        ),
        (
            "minecraft",
            "[20:15:00] [Server thread/INFO]: \x1b[93mAnn[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)\x1b[m",
            "Ann",
        ),
        (
            "source",
            # From https://github.com/LacledesLAN, the name ends like the number of a player
            'L 11/24/2026 - 20:15:00: "♥♥©♥♥௸atswood<42><13><[U:1:28500804]><>" entered the game',
            "♥♥©♥♥௸atswood<42>",
        ),
        (
            "source",
            'L 11/24/2026 - 20:15:00: "<LL>arcticfox012<5><[U:1:5015550]><>" entered the game',
            "<LL>arcticfox012",
        ),
        ("factorio", "2022-01-26 18:30:15 [JOIN] [LAN]Ann joined the game", "[LAN]Ann"),
    ],
)
def test_names_with_anything_in_them_are_complete(preset: str, text: str, name: str) -> None:
    assert short(translate(preset, text)) == [f"+{name}"]


def test_a_change_of_the_map_is_not_a_join() -> None:
    entered = 'L 11/24/2026 - 20:15:00: "Ann<2><[U:1:1]><>" entered the game\n'
    connected = 'L 11/24/2026 - 20:15:00: "Ann<2><[U:1:1]><>" connected, address "10.0.0.2:1"\n'
    left = 'L 11/24/2026 - 20:15:00: "Ann<2><[U:1:1]><>" disconnected (reason "x")\n'
    new_map = 'L 11/24/2026 - 20:15:00: Started map "cp_badlands" (CRC "1")\n'

    assert short(translate("source", connected + entered + new_map + entered)) == [
        "+Ann",
        "game_started cp_badlands",
    ]
    # The server crashed, so that no player left; the same number is given again.
    assert short(translate("source", entered + connected + entered)) == ["+Ann", "-Ann", "+Ann"]
    # She gave up while she loaded the map.
    assert short(translate("source", connected + left + left)) == []


def test_a_server_that_restarts_is_empty() -> None:
    text = """
    [20:00:00] [Server thread/INFO]: Starting minecraft server version 1.21.4
    [20:00:30] [Server thread/INFO]: Done (12.345s)! For help, type "help"
    [20:15:00] [Server thread/INFO]: Ann[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)
    [20:20:00] [Server thread/INFO]: Starting minecraft server version 1.21.4
    [20:20:30] [Server thread/INFO]: Done (12.345s)! For help, type "help"
    [20:25:00] [Server thread/INFO]: Ann[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)
    [00:20:40] [Server thread/INFO]: Stopping server"""

    events = translate("minecraft", text)

    assert short(events) == [
        "server_started Minecraft",
        "+Ann",
        "-Ann",
        "server_started Minecraft",
        "+Ann",
        "-Ann",
        "server_stopped stopped",
    ]


def test_a_game_that_began_before_is_not_said_to_end() -> None:
    patterns = {"game_started": "begin", "game_ended": "end"}
    lines = [f"[20:15:00] [Server thread/INFO]: {text}" for text in ("end", "begin", "end")]

    events = translate("minecraft", "\n".join(lines), patterns=patterns)

    assert short(events) == ["game_started Minecraft", "game_ended Minecraft"]


def test_a_duration_by_the_clock_alone_goes_over_midnight() -> None:
    lines = ["[20:20:30] [Server thread/INFO]: begin", "[00:20:40] [Server thread/INFO]: end"]
    patterns = {"game_started": "begin", "game_ended": "end"}

    # All lines were read at the same time.
    events = translate("minecraft", "\n".join(lines), patterns=patterns)

    assert events[-1].to_dict()["duration"] == 4 * 3600 + 10


STOP = "[20:15:00] [Server thread/INFO]: Stopping server"


@pytest.mark.parametrize(
    ("preset", "lines", "expected"),
    [
        ("minecraft", [STOP], ["stopped"]),
        (
            "minecraft",
            ["[20:15:00] [Server thread/INFO]: Attempting to restart with ./start.sh", STOP],
            ["restarted"],
        ),
        # Each of its starts fails.
        (
            "minecraft",
            [
                "[20:15:00] [Server thread/INFO]: Starting minecraft server version 1.21.4",
                "[20:15:01] [Server thread/ERROR]: This crash report has been saved to: x.txt",
                "[20:15:01] [Server thread/INFO]: Stopping server",
            ]
            * 3,
            ["crashed"],
        ),
        (
            "factorio",
            [
                "   2.323 Error CrashHandler.cpp:641: Received SIGSEGV",
                "Factorio crashed. Generating symbolized stacktrace, please wait ...",
            ],
            ["crashed"],
        ),
        ("valheim", ["03/12/2021 13:42:48: OnApplicationQuit"], ["stopped"]),
        ("valheim", ["03/12/2021 13:42:48: Game server disconnected"], ["unknown"]),
        ("source", ['L 01/22/2016 - 18:16:22: server_message: "restart"'], ["restarted"]),
        ("cs2", ['01/22/2026 - 18:16:22.000 - server_message: "quit"'], ["stopped"]),
    ],
)
def test_a_server_that_stops_says_why_once(
    preset: str, lines: list[str], expected: list[str]
) -> None:
    events = translate(preset, "\n".join(lines))

    assert short(events) == [f"server_stopped {reason}" for reason in expected]


@pytest.mark.parametrize("preset", ["factorio", "minecraft", "source", "valheim", "cs2"])
def test_a_server_is_called_as_its_party(preset: str) -> None:
    lines = {
        "factorio": "   0.100 Info ServerMultiplayerManager.cpp:1: x changing state from(InGame) to(Disconnecting)",
        "minecraft": STOP,
        "source": 'L 01/22/2016 - 18:16:22: server_message: "quit"',
        "valheim": "03/12/2021 13:42:48: Shutdown complete",
        "cs2": '01/22/2026 - 18:16:22.000 - server_message: "quit"',
    }
    [event] = translate(preset, lines[preset], party_name="Friday LAN", party_id="7")
    fields = event.to_dict()

    assert fields["server_name"] == "Friday LAN"
    assert fields["party_id"] == "7"
    assert fields["game_name"] == load_preset(preset).game_name
    [event] = translate(preset, lines[preset], game_name="Mine", party_name=None)
    assert event.to_dict()["server_name"] == event.to_dict()["game_name"] == "Mine"


def test_the_nightly_restart_of_a_source_server_starts_no_game() -> None:
    text = """
    L 11/24/2026 - 03:59:00: Started map "cp_badlands" (CRC "1")
    L 11/24/2026 - 04:00:00: server_message: "quit"
    L 11/24/2026 - 04:00:01: server_message: "restart"
    L 11/24/2026 - 04:00:30: Started map "cp_dustbowl" (CRC "1")
    L 11/24/2026 - 04:30:00: Started map "cp_granary" (CRC "1")
    L 11/24/2026 - 20:00:00: "Ann<2><[U:1:1]><>" entered the game"""

    events = translate("source", text, game_name="TF2")

    assert short(events) == [
        "game_started cp_badlands",
        "server_stopped stopped",
        "server_started TF2",
        "game_started cp_granary",
        "+Ann",
    ]


def test_a_match_after_a_restart_is_one_if_someone_is_there() -> None:
    text = """
    04/12/2025 - 14:50:00.000 - server_message: "quit"
    04/12/2025 - 14:59:15.456 - "Ann<3><[U:1:1]><>" entered the game
    04/12/2025 - 15:00:00.000 - World triggered "Match_Start" on "de_mirage\""""

    assert short(translate("cs2", text)) == [
        "server_stopped stopped",
        "+Ann",
        "game_started de_mirage",
    ]


def test_who_is_there_when_a_server_stops_leaves_once() -> None:
    lines = [
        "Ann[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)",
        "Stopping server",
        "Ann lost connection: Server closed",
    ]
    text = "\n".join(f"[20:15:00] [Server thread/INFO]: {line}" for line in lines)

    assert short(translate("minecraft", text)) == ["+Ann", "-Ann", "server_stopped stopped"]


def test_only_who_is_there_can_leave() -> None:
    text = """
    2022-01-26 18:30:00 [BAN] Bob was banned by Ann.
    2022-01-26 18:30:15 [JOIN] Ann joined the game
    2022-01-26 18:30:16 [KICK] Ann was kicked by <server>.
    2022-01-26 18:30:16 [LEAVE] Ann left the game"""

    assert short(translate("factorio", text)) == ["+Ann", "-Ann"]


def test_who_left_in_a_crash_leaves_with_id_and_party_and_ids_of_events_of_their_own() -> None:
    text = """
    L 11/24/2025 - 20:15:00: "Ann<2><[U:1:1]><>" entered the game
    L 11/24/2025 - 20:15:01: "Bob<3><[U:1:2]><>" entered the game
    L 11/24/2025 - 20:16:00: server_message: "quit\""""

    *left, stopped = translate("source", text, party_name="LAN", party_id="7")[2:]

    assert short([*left, stopped]) == ["-Ann", "-Bob", "server_stopped stopped"]
    assert [event.to_dict()["peer_id"] for event in left] == ["[U:1:1]", "[U:1:2]"]
    assert {(event.to_dict()["party_name"], event.to_dict()["party_id"]) for event in left} == {
        ("LAN", "7")
    }
    assert {event.time for event in left} == {stopped.time}
    assert [event.id for event in [*left, stopped]] == ["2", "2.1", "2.2"]


def test_patterns_of_ones_own_make_servers() -> None:
    patterns = {
        "peer_joined": "(?P<peer_name>.+) is here",
        "peer_left": "(?P<peer_name>.+) is gone",
        "server_started": ["up", "(?P<server_name>.+) plays (?P<game_name>.+)"],
        "server_stopped": ["down", "(?P<crashed>dead)", "gone: (?P<reason>.+)"],
    }
    lines = ["up", "Ann is here", "dead", "down", "X plays Y", "Ann is here", "up", "Ann is here"]
    config = FileConfig.model_validate({"path": "quake.log", "patterns": patterns})
    translator, roster = Translator(config, EventRegistry()), Roster()
    assert list(translator.problems()) == []

    found = [translator.translate(line, roster, "1") for line in [*lines, "gone: restarted"]]
    events = [event.to_dict() for one in found for event in one.events]

    keys = ("type", "server_name", "game_name", "reason", "peer_name")
    assert [tuple(filter(None, map(event.get, keys))) for event in events] == [
        ("server_started", "quake", "quake"),
        ("peer_joined", "Ann"),
        ("peer_left", "Ann"),
        ("server_stopped", "quake", "quake", "crashed"),
        ("server_started", "X", "Y"),
        ("peer_joined", "Ann"),
        # It crashed without a word, so no one is there.
        ("peer_left", "Ann"),
        ("server_started", "quake", "quake"),
        ("peer_joined", "Ann"),
        ("peer_left", "Ann"),
        ("server_stopped", "quake", "quake", "restarted"),
    ]


def test_a_reason_that_there_is_not_is_a_problem() -> None:
    patterns = {"server_stopped": "gone: (?P<reason>.+)"}
    config = FileConfig.model_validate({"path": "quake.log", "patterns": patterns})

    found = Translator(config, EventRegistry()).translate("gone: on fire", Roster(), "1")

    assert found.events == ()
    assert "reason" in found.problems[0]


def test_who_is_there_plays_the_game() -> None:
    text = """
    04/12/2025 - 14:59:15.456 - "Ann<3><[U:1:1]><>" entered the game
    04/12/2025 - 14:59:16.456 - "Bob<4><[U:1:2]><>" entered the game
    04/12/2025 - 14:59:16.456 - "Bot<5><BOT><>" entered the game
    04/12/2025 - 15:00:00.000 - World triggered "Match_Start" on "de_mirage"
    04/12/2025 - 15:40:01.000 - Game Over: competitive  de_mirage score 13:7 after 40 min"""

    events = translate("cs2", text)

    assert events[2].to_dict()["players"] == ["Ann", "Bob"]
    assert events[3].to_dict()["duration"] == 2400


def test_the_time_of_an_event_is_that_of_a_line_with_a_date() -> None:
    line = 'L 02/21/2021 - 06:22:31: "Hacksaw<12><[U:1:68745073]><>" entered the game'
    local = datetime(2021, 2, 21, 6, 22, 31).astimezone()

    assert translate("source", line)[0].time == local
    assert translate("source", line)[0].time.tzinfo == UTC
    assert translate("source", line, time="now")[0].time > local


@pytest.mark.parametrize(
    ("preset", "line"),
    [
        (
            "minecraft",
            "[04:33:57] [Server thread/INFO]: Ann[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)",
        ),
        ("source", 'L 02/21/2199 - 06:22:31: "Ann<12><[U:1:68745073]><>" entered the game'),
        ("source", 'L 99/99/2021 - 06:22:31: "Ann<12><[U:1:68745073]><>" entered the game'),
    ],
)
def test_the_time_of_an_event_is_now_where_the_line_cannot_say(preset: str, line: str) -> None:
    before = datetime.now(UTC)

    assert before <= translate(preset, line)[0].time <= datetime.now(UTC)


def test_a_line_without_a_year_cannot_say_when_it_was() -> None:
    before = datetime.now(UTC)
    [event] = translate(
        "eco",
        "20:15:00 --> Ann logged in.",
        prefix=r"(?P<time>\d\d:\d\d:\d\d) ",
        time_format="%H:%M:%S",
    )

    assert event.time >= before


def test_a_party_can_have_a_name_and_an_id() -> None:
    line = "[04:33:57] [Server thread/INFO]: Ann[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)"
    [event] = translate("minecraft", line, party_name="Friday LAN", party_id="7")

    assert event.to_dict()["party_name"] == "Friday LAN"
    assert event.to_dict()["party_id"] == "7"


def test_own_patterns_stand_beside_those_of_the_preset_or_in_their_place() -> None:
    text = """
    [20:15:00] [Server thread/INFO]: Ann[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)
    [20:15:00] [Server thread/INFO]: Ann has made the advancement [Stone Age]
    [20:15:00] [Server thread/INFO]: Ann lost connection: Disconnected"""

    events = translate(
        "minecraft",
        text,
        patterns={
            "notification": r"(?P<message>\S+ has made the advancement .*)",
            "peer_left": [],
        },
        fields={"notification": {"title": "Minecraft", "color": 5025616}},
    )

    assert [event.type for event in events] == ["peer_joined", "notification"]
    assert events[1].to_dict()["message"] == "Ann has made the advancement [Stone Age]"
    assert events[1].to_dict()["color"] == 5025616


def test_without_leaves_every_join_is_published() -> None:
    line = "[20:15:00] [Server thread/INFO]: Ann[/10.0.0.1:50000] logged in with entity id 1 at (0.5, 64.0, 0.5)\n"

    assert short(translate("minecraft", 2 * line, patterns={"peer_left": []})) == ["+Ann", "+Ann"]


@pytest.mark.parametrize("name", preset_names())
def test_each_preset_fits_the_event_types(name: str) -> None:
    config = FileConfig.model_validate({"path": "x.log", "preset": name})

    assert list(Translator(config, EventRegistry()).problems()) == []
    assert load_preset(name).game_name


def test_each_preset_is_a_file_and_has_a_real_excerpt() -> None:
    folder = files("lanrage_events_logfile") / "presets"
    names = {file.name.removesuffix(".yaml") for file in folder.iterdir()}

    assert names == set(preset_names()) == {preset for preset, _, _ in EXCERPTS.values()}


def peer_ids(text: str, **settings: Any) -> list[tuple[str, str | None]]:
    events = translate("source", text, **settings)
    assert all(isinstance(event, (PeerJoined, PeerLeft)) for event in events)
    return [(short([event])[0], getattr(event, "peer_id", None)) for event in events]


def test_a_steam_id_is_in_joins_and_leaves() -> None:
    assert peer_ids(
        """
    L 02/21/2021 - 06:22:31: "Ann<12><[U:1:68745073]><>" entered the game
    L 02/21/2021 - 06:22:32: "Bob<13><STEAM_0:1:12345><>" entered the game
    L 02/21/2021 - 06:33:43: "Ann<12><[U:1:68745073]><Red>" disconnected
    L 02/21/2021 - 06:33:44: "Bob<13><STEAM_0:1:12345><Red>" disconnected"""
    ) == [
        ("+Ann", "[U:1:68745073]"),
        ("+Bob", "STEAM_0:1:12345"),
        ("-Ann", "[U:1:68745073]"),
        ("-Bob", "STEAM_0:1:12345"),
    ]


def test_an_id_that_everyone_on_a_lan_has_is_left_out() -> None:
    assert peer_ids(
        """
    L 02/04/2026 - 00:28:39: "Dudds<1><STEAM_ID_LAN><player>" has entered the game
    L 02/04/2026 - 00:29:22: "Dudds<1><STEAM_ID_LAN><player>" disconnected"""
    ) == [("+Dudds", None), ("-Dudds", None)]


def test_a_leave_has_an_id_if_the_join_had_one() -> None:
    patterns = {
        "peer_joined": [
            r"(?P<player>\d+) is (?P<peer_name>\w+) with (?P<peer_id>\w+)",
            r"(?P<player>\d+) is (?P<peer_name>\w+)",
        ],
        "peer_left": r"(?P<player>\d+) left(?: with (?P<peer_id>\w+))?",
    }
    lines = ["1 is Ann with x", "2 is Bob", "1 left", "2 left with y", "2 is Bob", "2 left"]
    text = "\n".join(f"L 02/21/2021 - 06:22:31: {line}" for line in lines)
    assert peer_ids(text, patterns=patterns) == [
        ("+Ann", "x"),
        ("+Bob", None),
        ("-Ann", "x"),
        ("-Bob", None),
        ("+Bob", None),
        ("-Bob", None),
    ]
