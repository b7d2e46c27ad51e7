//! The patterns. Those held out are other providers', languages' and hands' than those the weights were set by.

/// A way of naming hosts.
pub(crate) struct Pattern {
    /// Whether the weights must not be set by it.
    pub(crate) held_out: bool,
    /// `dialup` or `server`.
    pub(crate) label: &'static str,
    /// The host's name, or names, with `{…}` for what changes.
    pub(crate) own: &'static str,
    /// What its neighbours are called.
    pub(crate) near: Near,
}

/// What neighbours are called.
#[derive(Clone, Copy)]
pub(crate) enum Near {
    /// As the host itself.
    Same,
    /// As their owners like.
    Named,
    /// By this other pattern.
    Pool(&'static str),
}

/// Names given by hand.
pub(crate) struct Hands {
    /// Hosts of any kind.
    pub(crate) hosts: &'static [&'static str],
    /// Mail servers.
    pub(crate) mail: &'static [&'static str],
    /// Beginnings of organisations' names.
    pub(crate) organisations: &'static [&'static str],
    /// Their ends.
    pub(crate) kinds: &'static [&'static str],
}

impl Pattern {
    /// The hands that name its servers.
    pub(crate) fn hands(&self) -> &'static Hands {
        if self.held_out { &HELD_OUT } else { &CALIBRATE }
    }
}

const CALIBRATE: Hands = Hands {
    hosts: &[
        "zeus", "apollo", "falcon", "www", "ns1", "vpn", "gw", "intranet", "db1", "shop", "git", "alpha",
        "merkur", "cloud", "web3", "backup", "fw", "pluto", "srv2", "extranet",
    ],
    mail: &[
        "mail",
        "mx",
        "mx1",
        "mx2",
        "smtp",
        "mail2",
        "mailgw",
        "exchange",
        "mail-out",
        "relay1",
        "mta1",
        "outbound",
        "post",
        "webmail",
        "smtp-out3",
        "mailer",
        "imap",
        "zimbra",
    ],
    organisations: &[
        "mueller", "schmidt", "nordwind", "bluepeak", "delta", "rossi", "garcia", "tanaka", "novak",
        "kowalski", "svensson", "martin", "dubois", "acme", "sunrise", "atlas", "vandijk", "petrov",
        "yilmaz", "silva",
    ],
    kinds: &[
        "gmbh", "kanzlei", "shop", "bank", "school", "praxis", "consult", "uni", "clinic", "media", "club",
    ],
};

const HELD_OUT: Hands = Hands {
    hosts: &[
        "odin", "thor", "saturn", "kestrel", "hades", "portal", "wiki", "jupiter", "bilbo", "crm", "erp",
        "nagios", "proxy", "orion", "raven", "ftp2", "dns2", "beta", "lion", "sirius",
    ],
    mail: &[
        "mx01",
        "mx-a",
        "smtp2",
        "mail3",
        "mailhost",
        "mx10",
        "correo",
        "poczta",
        "posta",
        "mta-b",
        "mailrelay",
        "mx0",
        "out1",
        "smarthost",
        "mail-in",
        "email",
        "antispam",
        "smtpout",
    ],
    organisations: &[
        "weber",
        "fischer",
        "greenfield",
        "ironbridge",
        "omega",
        "bianchi",
        "lopez",
        "suzuki",
        "horvat",
        "nowak",
        "hansen",
        "bernard",
        "moreau",
        "globex",
        "horizon",
        "titan",
        "jansen",
        "ivanov",
        "demir",
        "costa",
    ],
    kinds: &[
        "ag", "law", "store", "credit", "college", "dental", "partners", "institut", "hospital", "press",
        "verein",
    ],
};

const fn dialup(own: &'static str) -> Pattern {
    Pattern { held_out: false, label: "dialup", own, near: Near::Same }
}

const fn server(own: &'static str, near: Near) -> Pattern {
    Pattern { held_out: false, label: "server", own, near }
}

const fn unseen(pattern: Pattern) -> Pattern {
    Pattern { held_out: true, ..pattern }
}

/// All of them.
pub(crate) const PATTERNS: &[Pattern] = &[
    // --- to set the weights by: access ---
    // Germany, Austria, Switzerland
    dialup("p{hex}.dip0.t-ip.example"),
    dialup("dslb-{0a}-{0b}-{0c}-{0d}.{0a}.{0b}.pools.netz.example"),
    dialup("HSI-KBW-{a}-{b}-{c}-{d}.hsi{k1}.kabel-sw.example"),
    dialup("{a}-{b}-{c}-{d}.adsl.highway.example"),
    dialup("{d}.{c}.{b}.{a}.dynamic.wline.res.cust.alpen.example"),
    // United States, Canada
    dialup("c-{a}-{b}-{c}-{d}.hsd1.ca.fastcom.example"),
    dialup("pool-{a}-{b}-{c}-{d}.{city}.fios.east.example"),
    dialup("cpe-{a}-{b}-{c}-{d}.{city}.res.runner.example"),
    dialup("adsl-{a}-{b}-{c}-{d}.dsl.{city}{k2}.bell.example"),
    dialup("user-{id}.cable.spring.example"),
    dialup("{d}.sub-{a}-{b}-{c}.mywireless.example"),
    dialup("CPE{mac}-CM{mac}.cpe.net.cable.maple.example"),
    dialup("S0106{mac}.{city}.north.example"),
    // France, Belgium, Netherlands
    dialup("lfbn-{city}-1-{k2}-{d}.w{a}-{b}.abo.orange.example"),
    dialup("{d}.{c}.{b}.{a}.rev.rouge.example"),
    dialup("{d}.{c}-{b}-{a}.adsl-dyn.isp.belga.example"),
    dialup("{a}-{b}-{c}-{d}.cable.dynamic.v4.oranje.example"),
    dialup("ip{hex}.adsl-thuis.polder.example"),
    // Italy, Spain, Portugal
    dialup("host-{a}-{b}-{c}-{d}.retail.stivale.example"),
    dialup("ppp-{k2}-{d}.{k2}-151.libro.example"),
    dialup("{d}.red-{a}-{b}-{c}.dynamicip.iberia.example"),
    dialup("bl{k1}-{c}-{d}.dsl.lusa.example"),
    // Great Britain
    dialup("host{a}-{b}-{c}-{d}.range{a}-{b}.central.example"),
    dialup("cpc{k4}-{city}26-2-0-cust{n3}.13-2.cable.maiden.example"),
    // Poland, Czechia, Russia, Ukraine, Türkiye
    dialup("{abc}{n3}.neo.adsl.polnet.example"),
    dialup("{a}-{b}-{c}-{d}.dynamic.chelm.example"),
    dialup("broadband-{a}-{b}-{c}-{d}.ip.moskva.example"),
    dialup("ppp{a}-{b}-{c}-{d}.pppoe.mtu.example"),
    dialup("klient-{d}.{city}.ulice.example"),
    dialup("{a}.{b}.{c}.{d}.dynamic.turk.example"),
    // Sweden, Finland
    dialup("h-{a}-{b}-{c}-{d}.NA.cust.hof.example"),
    dialup("dsl-hki{k1}-{hex}-{n3}.dhcp.suomi.example"),
    // Japan, Taiwan, China, Thailand, India
    dialup("softnet{0a}{0b}{0c}{0d}.bbtec.example"),
    dialup("KD{0a}{0b}{0c}{0d}.ppp-bb.dion.example"),
    dialup("p{n6}-ipngn{k4}.{city}.ocn.example"),
    dialup("{a}-{b}-{c}-{d}.dynamic-ip.formosa.example"),
    dialup("mx-ll-{a}.{b}.{c}-{d}.dynamic.siam.example"),
    dialup("abts-kk-dynamic-{d}.{c}.{b}.{a}.bharat.example"),
    // Brazil, Mexico, Argentina
    dialup("{a}-{b}-{c}-{d}.user3p.brasil.example"),
    dialup("dsl-{a}-{b}-{c}-{d}-dyn.prod-infinito.example"),
    dialup("{d}-{c}-{b}-{a}.fibra.plata.example"),
    // Words of no language known here, and none at all
    dialup("{a}-{b}-{c}-{d}.rdnet.example"),
    dialup("n{0c}{0d}.{city}.kampung.example"),
    dialup("h{row}.{city}.dusun.example"),
    dialup("x{id}.{city}.oblast.example"),
    dialup("{xa}-{xb}-{xc}-{xd}.sieć.example"),
    dialup("{int}.okrug.example"),
    dialup("{hex}.virtual-tv.rio.example"),
    dialup("kotitalous{row}.{city}.saimaa.example"),
    // IPv6
    dialup("p{6joined}.dip0.t-ip.example"),
    dialup("{6pad}.dyn6.hof.example"),
    dialup("{6rev}.ip6.rouge.example"),
    dialup("cpe-{6half}.v6.north.example"),
    // --- to set the weights by: servers ---
    server("{mailhand}.{org}", Near::Named),
    server("{mailhand}.{org}", Near::Pool("p{hex}.dip0.t-ip.example")),
    server("{mailhand}.{org}", Near::Pool("static-{a}-{b}-{c}-{d}.isp.example")),
    server("{mailhand}.{org}", Near::Pool("vps{n6}.hosting.example")),
    server("{hand}.{org}", Near::Named),
    server("{hand}.{org}", Near::Pool("cable-{a}-{b}-{c}-{d}.netz.example")),
    server("{org}", Near::Named),
    server("{org};www.{org};{hand}.{org}", Near::Named),
    server("{a}-{b}-{c}-{d}.netz.example;{mailhand}.{org}", Near::Pool("{a}-{b}-{c}-{d}.netz.example")),
    server("static-{a}-{b}-{c}-{d}.isp.example", Near::Same),
    server("{d}.{c}.{b}.{a}.static.{city}.isp.example", Near::Same),
    server("ip-{a}-{b}-{c}-{d}.business.netz.example", Near::Same),
    server("{a}-{b}-{c}-{d}-static.dsl.bell.example", Near::Same),
    server("host{d}-{c}.staticip.stivale.example", Near::Same),
    server("mail-{a}-{b}-{c}-{d}.hosting.example", Near::Same),
    server("mail{seq}.{city}.newsletters.example", Near::Same),
    server("mx{d}.bigmail.example", Near::Same),
    server("o{c}-{d}.mta.sendgrid.example", Near::Same),
    server("mail-{c}{d}.sendout.example", Near::Same),
    server("smtp-out-{c}-{d}.market.example", Near::Same),
    server("a{k1}-{d}.smtp-out.eu.simplemail.example", Near::Same),
    server("ec2-{a}-{b}-{c}-{d}.compute-1.amaz.example", Near::Same),
    server("static.{d}.{c}.{b}.{a}.clients.myserver.example", Near::Same),
    server("vps{n6}.ovhost.example", Near::Same),
    server("vmi{n6}.contabserver.example", Near::Same),
    server("{a}-{b}-{c}-{d}.dedicated.rackspot.example", Near::Same),
    server("node{seq}.cluster.{city}.acme.example", Near::Same),
    server("web{d}.farm.example", Near::Same),
    server("srv{row}.{city}.hostcorp.example", Near::Same),
    server("falcon{seq}.nordwind.example", Near::Same),
    server("proxy{d}.orion-credit.example", Near::Same),
    server("gw{k1}.{city}.bank.example", Near::Named),
    server("mail.{6none}acme.example", Near::Named),
    server("mx-{6dash}.hosting.example", Near::Named),
    server("mail{6half}.vps.example", Near::Named),
    server("{6none}zeus.mueller-gmbh.example", Near::Named),
    // --- held out: access ---
    // Germany, Austria
    unseen(dialup("ip-{0a}-{0b}-{0c}-{0d}.um{k2}.pools.verein.example")),
    unseen(dialup("i{HEX}.versanet-dsl.example")),
    unseen(dialup("dyndsl-{0a}-{0b}-{0c}-{0d}.ewe-ip-backbone.example")),
    unseen(dialup("chello{0a}{0b}{0c}{0d}.1.11.{city}.surfer.example")),
    // United States, Canada
    unseen(dialup("ip{a}-{b}-{c}-{d}.{city}.{city}.coax.example")),
    unseen(dialup("h{d}.{c}.{b}.{a}.dynamic.ip.wind.example")),
    unseen(dialup("bras-base-{city}pq-grc-{k2}-{a}-{b}-{c}-{d}.dsl.belle.example")),
    unseen(dialup("modemcable{0d}.{k2}-{b}-{a}.mc.laurent.example")),
    unseen(dialup("{a}-{b}-{c}-{d}.lightspeed.{city}.lines.example")),
    unseen(dialup("dialup-{a}.{b}.{c}.{d}.dial1.{city}.level.example")),
    // France, Netherlands, Belgium, Switzerland
    unseen(dialup("ARennes-{k2}-1-{n2}-{d}.w{a}-{b}.abo.mandarine.example")),
    unseen(dialup("{a}.{b}.{c}.{d}.abo.boite.example")),
    unseen(dialup("d{hex}.access.telene.example")),
    unseen(dialup("a{k2}-{n3}.adsl.alles.example")),
    unseen(dialup("adsl-{a}-{b}-{c}-{d}.adslplus.matter.example")),
    // Italy, Spain, Portugal, Greece
    unseen(dialup("net-{a}-{b}-{c}-{d}.cust.fonodsl.example")),
    unseen(dialup("{a}.{b}.{c}.{d}.dyn.user.onda.example")),
    unseen(dialup("athedsl-{n6}.home.ellas.example")),
    unseen(dialup("ppp{n6}.access.holon.example")),
    // Great Britain, Ireland
    unseen(dialup("{d}.{c}.{b}.{a}.dyn.plusnet.example")),
    unseen(dialup("{a}-{b}-{c}-{d}-dynamic.agg2.{city}.eireann.example")),
    // Poland, Czechia, Hungary, Romania, Bulgaria, Russia, Kazakhstan
    unseen(dialup("user-{a}-{b}-{c}-{d}.graj-internet.example")),
    unseen(dialup("ip-{a}-{b}-{c}-{d}.net.upcz.example")),
    unseen(dialup("{HEX}.dsl.pool.magyar.example")),
    unseen(dialup("{HEX}.mobile.pool.magyar.example")),
    unseen(dialup("{d}.{c}.{b}.{a}.dynamic.pppoe.markt.example")),
    unseen(dialup("zakaznik{n4}.{city}.sit.example")),
    unseen(dialup("{a}-{b}-{c}-{d}.ip.btcnet.example")),
    unseen(dialup("{a}.{b}.{c}.{d}.megaline.dala.example")),
    // Denmark, Norway, Sweden
    unseen(dialup("0x{hex}.bo{k1}.customer.dansk.example")),
    unseen(dialup("{d}.{a}-{b}-{c}.customer.fjord.example")),
    unseen(dialup("c-{hex}.{k2}-{k2}-{mac}.bbcust.svea.example")),
    unseen(dialup("ua-{a}-{b}-{c}-{d}.bbcust.norr.example")),
    // Israel, South Africa, Australia, New Zealand
    unseen(dialup("bzq-{b}-{c}-{d}.red.negev.example")),
    unseen(dialup("IGLD-{a}-{b}-{c}-{d}.inter.galil.example")),
    unseen(dialup("{a}-{b}-{c}-{d}.south.dsl.savanna.example")),
    unseen(dialup("CPE-{a}-{b}-{c}-{d}.lns{k1}.cht.outback.example")),
    unseen(dialup("{a}-{b}-{c}-{d}-adsl.kiwi.example")),
    // Latin America
    unseen(dialup("{d}.{c}.{b}.{a}.dynamic.adsl.gaucho.example")),
    unseen(dialup("customer-{city}-{c}-{d}.megacable.example")),
    unseen(dialup("host{d}.{a}-{b}-{c}.pampa.example")),
    unseen(dialup("cable{a}-{b}-{c}-{d}.medellin.example")),
    unseen(dialup("pc-{d}-{c}-{b}-{a}.cm.andes.example")),
    // Japan, Korea, China, Viet Nam, Indonesia
    unseen(dialup("FL1-{a}-{b}-{c}-{d}.{city}.mesh.kanto.example")),
    unseen(dialup("{d}.{c}.{b}.{a}.ap.yourn.example")),
    unseen(dialup("{d}.{c}.{b}.{a}.broad.bj.bj.dynamic.datanet.example")),
    unseen(dialup("nttkyo{n6}.tkyo.nt.ftth.ppp.infon.example")),
    unseen(dialup("{d}.subnet{a}-{b}-{c}.speed.nusa.example")),
    unseen(dialup("dynamic-ip-adsl.{a}-{b}-{c}-{d}.mekong.example")),
    // Words of no language known here, and none at all
    unseen(dialup("gospodinjstvo-{a}-{b}-{c}-{d}.triglav.example")),
    unseen(dialup("perhe{row}.{city}.kuopio.example")),
    unseen(dialup("{xd}{xc}{xb}{xa}.casella.example")),
    unseen(dialup("stan{n6}.{city}.osiedle.example")),
    unseen(dialup("internet-{a}-{b}-{c}-{d}.narod.example")),
    unseen(dialup("gx{hex}.sahel.example")),
    unseen(dialup("{city}-{0c}-{0d}.otau.example")),
    unseen(dialup("{0d}{0c}{0b}{0a}.lanka.example")),
    unseen(dialup("ip{xeh}.tundra.example")),
    unseen(dialup("m{mac}.{city}.delta-tv.example")),
    // IPv6
    unseen(dialup("{6dash}.ftth.saone.example")),
    unseen(dialup("{6rev}.dynamic.v6.weser.example")),
    unseen(dialup("dynamic-{6joined}.ufer.example")),
    unseen(dialup("{6net}.pool6.huron.example")),
    unseen(dialup("customer.{6dot}.tatra.example")),
    // --- held out: servers ---
    unseen(server("{mailhand}.{org}", Near::Named)),
    unseen(server("{mailhand}.{city}.{org}", Near::Named)),
    unseen(server("{mailhand}.{org}", Near::Pool("chello{0a}{0b}{0c}{0d}.1.11.{city}.surfer.example"))),
    unseen(server("{mailhand}.{org}", Near::Pool("fest-{a}-{b}-{c}-{d}.weser.example"))),
    unseen(server("{mailhand}.{org}", Near::Pool("kunde{n4}.rz.weser.example"))),
    unseen(server("{hand}.{org}", Near::Named)),
    unseen(server("{hand}.{city}.{org}", Near::Named)),
    unseen(server("{hand}.{org}", Near::Pool("{a}-{b}-{c}-{d}.lightspeed.{city}.lines.example"))),
    unseen(server("{hand}.{org}", Near::Pool("{d}.{c}.{b}.{a}.dyn.plusnet.example"))),
    unseen(server("{org}", Near::Named)),
    unseen(server("{org}", Near::Pool("ip-{a}-{b}-{c}-{d}.net.upcz.example"))),
    unseen(server("{mailhand}.{org};{org};{hand}.{org}", Near::Named)),
    unseen(server(
        "{d}.{c}.{b}.{a}.dyn.plusnet.example;{hand}.{org}",
        Near::Pool("{d}.{c}.{b}.{a}.dyn.plusnet.example"),
    )),
    unseen(server("{hand}.{org};{hand}.{org}", Near::Same)),
    // Small offices on fixed lines
    unseen(server("fixip-{a}-{b}-{c}-{d}.alpen.example", Near::Same)),
    unseen(server("{a}-{b}-{c}-{d}.estatica.onda.example", Near::Same)),
    unseen(server("{d}.{a}-{b}-{c}.static.fjord.example", Near::Same)),
    unseen(server("statisk-{a}-{b}-{c}-{d}.dansk.example", Near::Same)),
    unseen(server("{a}-{b}-{c}-{d}.fixed.agg2.{city}.eireann.example", Near::Same)),
    unseen(server("wsip-{a}-{b}-{c}-{d}.{city}.biz.coax.example", Near::Same)),
    unseen(server("{a}-{b}-{c}-{d}-static.{city}.office.huron.example", Near::Same)),
    unseen(server("h{d}-{c}.static.cable.negev.example", Near::Same)),
    unseen(server("adsl-{a}-{b}-{c}-{d}.fix.matter.example", Near::Same)),
    unseen(server("zakelijk-{c}-{d}.polders.example", Near::Same)),
    unseen(server("rrcs-{a}-{b}-{c}-{d}.{city}.biz.runners.example", Near::Same)),
    // Data centres
    unseen(server("ip-{a}-{b}-{c}-{d}.{city}.compute.internal-cloud.example", Near::Same)),
    unseen(server("{a}.{b}.{c}.{d}.rackcentre.example", Near::Same)),
    unseen(server("{d}-{c}-{b}-{a}.colo.{city}.peering.example", Near::Same)),
    unseen(server("v{n6}.vserver.wolke.example", Near::Same)),
    unseen(server("vds-{id}.timeserver.example", Near::Same)),
    unseen(server("{hex}.virtual.hostpoint.example", Near::Same)),
    unseen(server("ns{n6}.ip-{a}-{b}-{c}.example", Near::Same)),
    unseen(server("sd-{n6}.dedibox.seine.example", Near::Same)),
    unseen(server("instance-{a}-{b}-{c}-{d}.elastic.nube.example", Near::Same)),
    unseen(server("mail-{a}-{b}-{c}-{d}.wolkenhosting.example", Near::Same)),
    unseen(server("server{d}-{c}.webgarten.example", Near::Same)),
    // Farms
    unseen(server("mail{d}.atl{k1}.mcdv.example", Near::Same)),
    unseen(server("mta{c}-{d}.sparkle.example", Near::Same)),
    unseen(server("out{k1}-{d}.mail.silverpost.example", Near::Same)),
    unseen(server("mail-wm{k1}-f{d}.gogle.example", Near::Same)),
    unseen(server("sender-{row}.campaign.example", Near::Same)),
    unseen(server("mx{seq}.{city}.provider.example", Near::Same)),
    unseen(server("bounce-{a}-{b}-{c}-{d}.lettres.example", Near::Same)),
    unseen(server("smtp{0c}{0d}.wysylka.example", Near::Same)),
    unseen(server("kestrel{seq}.ironbridge.example", Near::Same)),
    unseen(server("thor{seq}.{city}.hansen-ag.example", Near::Same)),
    unseen(server("info{seq}.{city}.titan-press.example", Near::Same)),
    unseen(server("ares{d}.demir-college.example", Near::Same)),
    unseen(server("s{d}.{city}.horizon-press.example", Near::Same)),
    unseen(server("dispatch{seq}.lettres.example", Near::Same)),
    unseen(server("m{seq}.mail.{city}.postino.example", Near::Same)),
    unseen(server("relay{k1}-{c}-{d}.filter.example", Near::Same)),
    // IPv6
    unseen(server("smtp2.{6none}globex.example", Near::Named)),
    unseen(server("mailout-{6pad}.titan.example", Near::Named)),
    unseen(server("{6rev}.static.weser.example", Near::Named)),
    unseen(server("vm{6half}.kvm.wolke.example", Near::Named)),
    unseen(server("{6none}odin.weber-verein.example", Near::Named)),
];
